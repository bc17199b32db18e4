"""The peers' S3 sink as our store: it throws bodies away, so that what is measured is the way to it."""

SINK = {
    "GANTRY_STORE": "s3",
    "GANTRY_S3_ENDPOINT": "http://127.0.0.1:7110",
    "GANTRY_S3_BUCKET": "bench",
    "GANTRY_S3_REGION": "us-east-1",
    "GANTRY_S3_PATH_STYLE": "true",
    "AWS_ACCESS_KEY_ID": "AKIDBENCH",
    "AWS_SECRET_ACCESS_KEY": "benchsecretbenchsecretbenchsecret12",
}
