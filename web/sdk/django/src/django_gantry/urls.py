"""The addresses of the package: `path("gantry/", include("django_gantry.urls"))`."""

from django.urls import path

from . import views

app_name = "django_gantry"
urlpatterns = [
    path("grant/", views.grant, name="grant"),
    path("webhook/", views.webhook, name="webhook"),
]
