"""What Schemathesis has to know of our media types: they are bytes."""

import schemathesis


@schemathesis.serializer("application/partial-upload", "application/offset+octet-stream")
def as_bytes(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
