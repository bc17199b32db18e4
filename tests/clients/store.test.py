"""The embedded store, asked by boto3 for what S3 stores do: one line for each check, and a count.

    python store.test.py [ENDPOINT ACCESS SECRET]     another store instead; without CORS, which needs an allowed origin

Makes and removes a bucket of its own.
"""

import base64
import hashlib
import http.client
import re
import sys
import threading
import time
import urllib.parse
import uuid
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from service import Service

if len(sys.argv) > 1:
    (ENDPOINT, ACCESS, SECRET), ORIGIN = sys.argv[1:4], None
else:
    service = Service()
    exports, ORIGIN = service.store_env(), service.url
    ENDPOINT, ACCESS, SECRET = (exports[f"AWS_{name}"] for name in ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
MIB = 1 << 20
BUCKET = "matrix-" + uuid.uuid4().hex[:12]


def make(**options):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **options)
    return boto3.client("s3", endpoint_url=ENDPOINT, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET,
                        region_name="us-east-1", config=config)


s3 = make()
plain = make(request_checksum_calculation="when_required", response_checksum_validation="when_required")
checks = []


def check(name):
    def register(function):
        checks.append((name, function))
        return function
    return register


def noise(size, seed=1):
    block = b"".join(hashlib.sha256(b"%d-%d" % (seed, index)).digest() for index in range(256))
    return (block * (size // len(block) + 1))[:size]


def refused(codes, call, *args, **kwargs):
    codes = [codes] if isinstance(codes, (str, int)) else codes
    try:
        call(*args, **kwargs)
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert code in codes or status in codes, f"{code} {status}, not {codes}"
        return
    raise AssertionError(f"accepted, should be {codes}")


def put(key, body=b"x", **kwargs):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **kwargs)


def get(key, **kwargs):
    return s3.get_object(Bucket=BUCKET, Key=key, **kwargs)["Body"].read()


def head(key, **kwargs):
    return s3.head_object(Bucket=BUCKET, Key=key, **kwargs)


def sign(method, expires=60, **params):
    return plain.generate_presigned_url(method, Params={"Bucket": BUCKET, **params}, ExpiresIn=expires)


def raw(method, url, body=None, headers=None, chunked=False):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    path = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(method, path, body=iter([body]) if chunked else body, headers=headers or {},
                       encode_chunked=chunked)
    answer = connection.getresponse()
    data = answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return answer.status, data, headers


def upload(key, parts, **kwargs):
    created = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **kwargs)["UploadId"]
    listed = [put_part(key, created, number, part) for number, part in enumerate(parts, 1)]
    return created, listed


def put_part(key, upload_id, number, body, **kwargs):
    answer = plain.upload_part(Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **kwargs)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(key, upload_id, parts, **kwargs):
    return s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id,
                                        MultipartUpload={"Parts": parts}, **kwargs)


def abort(key, upload_id):
    return s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)


@check("bucket: head, list_buckets, location")
def _():
    s3.head_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.get_bucket_location(Bucket=BUCKET)
    refused(404, s3.head_bucket, Bucket=BUCKET + "-none")


@check("bucket: create, create again, delete, delete only when empty")
def _():
    name = BUCKET + "-b"
    s3.create_bucket(Bucket=name)
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused("NoSuchBucket", s3.delete_bucket, Bucket=name)


@check("anonymous request refused")
def _():
    put("k")
    assert raw("GET", f"{ENDPOINT}/{BUCKET}/k")[0] == 403
    assert raw("PUT", f"{ENDPOINT}/{BUCKET}/k", b"evil")[0] == 403
    assert get("k") == b"x"


@check("put, get, head, delete; ETag is MD5")
def _():
    body = noise(MIB + 3)
    etag = put("k", body, ContentType="text/x", Metadata={"a": "b"})["ETag"]
    assert etag == f'"{hashlib.md5(body).hexdigest()}"' and get("k") == body
    told = head("k")
    assert (told["ContentLength"], told["ETag"], told["ContentType"]) == (len(body), etag, "text/x")
    assert told["Metadata"] == {"a": "b"}
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.delete_object(Bucket=BUCKET, Key="k")
    refused(404, head, "k")
    refused("NoSuchKey", get, "k")


@check("put: SDK default (CRC32 in a trailer) and upload_fileobj")
def _():
    import io
    body = noise(20 * MIB)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "k", Config=TransferConfig(multipart_threshold=8 * MIB))
    assert get("k") == body and head("k")["ETag"].endswith('-3"')
    s3.upload_fileobj(io.BytesIO(b""), BUCKET, "empty")
    assert get("empty") == b""


@check("put: Content-MD5 verified")
def _():
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    put("k", b"good")
    refused("BadDigest", plain.put_object, Bucket=BUCKET, Key="k", Body=b"evil", ContentMD5=wrong)
    assert get("k") == b"good"


@check("payload: x-amz-content-sha256 mismatch refused")
def _():
    url = sign("put_object", Key="k")
    other = hashlib.sha256(b"other").hexdigest()
    put("k", b"good")
    assert raw("PUT", url, b"evil", {"x-amz-content-sha256": other})[0] == 400
    assert get("k") == b"good"


@check("presigned PUT, signed Content-Type")
def _():
    url = sign("put_object", Key="k", ContentType="image/png")
    assert raw("PUT", url, b"x", {"Content-Type": "image/png"})[0] == 200
    assert raw("PUT", url, b"x", {"Content-Type": "text/html"})[0] == 403


@check("presigned PUT, signed Content-Length")
def _():
    url = sign("put_object", Key="k", ContentLength=5)
    assert raw("PUT", url, b"hello")[0] == 200
    assert raw("PUT", url, b"hello more")[0] == 403


@check("presigned PUT, chunked (no content-length) refused")
def _():
    assert raw("PUT", sign("put_object", Key="k"), b"abc", {"Transfer-Encoding": "chunked"}, chunked=True)[0] == 411


@check("presigned PUT: expired, tampered, other key refused")
def _():
    url = sign("put_object", Key="k", expires=1)
    time.sleep(2.2)
    assert raw("PUT", url, b"x")[0] == 403
    url = sign("put_object", Key="k")
    assert raw("PUT", url[:-1] + ("0" if url[-1] != "0" else "1"), b"x")[0] == 403
    assert raw("PUT", url.replace("/k?", "/j?"), b"x")[0] == 403
    assert raw("PUT", url.replace("Expires=60", "Expires=600"), b"x")[0] == 403


@check("presigned PUT: extra unsigned x-amz-* header refused")
def _():
    put("secret", b"secret")
    url = sign("put_object", Key="k")
    assert raw("PUT", url, b"", {"x-amz-copy-source": f"/{BUCKET}/secret"})[0] == 403
    assert raw("PUT", url, b"x", {"x-amz-meta-a": "b"})[0] == 403


@check("presigned PUT, signed x-amz-checksum-sha256")
def _():
    good = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    url = sign("put_object", Key="k", ChecksumSHA256=good)
    headers = {"x-amz-checksum-sha256": good}
    if "x-amz-checksum-sha256" not in url.lower():
        raise AssertionError("boto3 did not sign it")
    assert raw("PUT", url, b"hello", headers)[0] in (200, 403)


@check("presigned PUT, If-None-Match:* signed")
def _():
    s3.delete_object(Bucket=BUCKET, Key="once")
    url = sign("put_object", Key="once", IfNoneMatch="*")
    assert raw("PUT", url, b"1", {"If-None-Match": "*"})[0] == 200
    assert raw("PUT", url, b"2", {"If-None-Match": "*"})[0] == 412
    assert get("once") == b"1"


@check("presigned GET + response-* overrides, also on 206")
def _():
    put("k", b"0123456789")
    url = sign("get_object", Key="k", ResponseContentType="text/x", ResponseContentDisposition="attachment")
    for headers, status in (({}, 200), ({"Range": "bytes=0-1"}, 206)):
        answer = raw("GET", url, headers=headers)
        assert answer[0] == status and answer[2]["content-type"] == "text/x"
        assert answer[2]["content-disposition"] == "attachment"


@check("presigned GET + Range (206), suffix, open, 416, several, If-Range")
def _():
    put("k", b"0123456789")
    url = sign("get_object", Key="k")
    etag = head("k")["ETag"]
    for given, status, body in (("bytes=2-4", 206, b"234"), ("bytes=-3", 206, b"789"), ("bytes=7-", 206, b"789"),
                                ("bytes=0-1,4-5", 200, b"0123456789"), ("bytes=5-99", 206, b"56789")):
        assert raw("GET", url, headers={"Range": given})[:2] == (status, body), given
    answer = raw("GET", url, headers={"Range": "bytes=10-"})
    assert answer[0] == 416 and answer[2]["content-range"] == "bytes */10"
    assert raw("GET", url, headers={"Range": "bytes=0-1", "If-Range": etag})[0] == 206
    assert raw("GET", url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})[0] == 200


@check("GET conditional: If-None-Match 304, If-Match 412, If-(Un)Modified-Since")
def _():
    put("k")
    told = head("k")
    refused(304, get, "k", IfNoneMatch=told["ETag"])
    refused(412, get, "k", IfMatch='"other"')
    refused(304, get, "k", IfModifiedSince=told["LastModified"])
    refused(412, get, "k", IfUnmodifiedSince=told["LastModified"].replace(year=2000))
    assert get("k", IfMatch=told["ETag"]) == b"x"


@check("presigned HEAD")
def _():
    put("k", b"0123456789")
    answer = raw("HEAD", sign("head_object", Key="k"))
    assert answer[0] == 200 and answer[2]["content-length"] == "10"


@check("multipart: presigned parts in parallel, out of order, complete, ETag -N")
def _():
    parts = [noise(5 * MIB, seed) for seed in range(4)] + [b"end"]
    created = s3.create_multipart_upload(Bucket=BUCKET, Key="m")["UploadId"]
    etags = {}

    def send(number):
        url = sign("upload_part", Key="m", UploadId=created, PartNumber=number)
        etags[number] = raw("PUT", url, parts[number - 1])[2]["etag"]

    threads = [threading.Thread(target=send, args=(number,)) for number in (5, 3, 1, 4, 2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    done = complete("m", created, [{"PartNumber": n, "ETag": etags[n]} for n in range(1, 6)])
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-5"'
    assert get("m") == b"".join(parts)


@check("multipart: ListParts pagination")
def _():
    created, listed = upload("m", [b"%d" % number for number in range(7)])
    pages = s3.get_paginator("list_parts").paginate(Bucket=BUCKET, Key="m", UploadId=created,
                                                    PaginationConfig={"PageSize": 3})
    seen = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for page in pages for part in page["Parts"]]
    assert seen == listed
    abort("m", created)


@check("multipart: ListMultipartUploads prefix + pagination")
def _():
    made = [(key, s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"])
            for key in ("u/a", "u/a", "u/b", "u/c", "v")]
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET, Prefix="u/",
                                                                PaginationConfig={"PageSize": 2})
    assert [(up["Key"], up["UploadId"]) for page in pages for up in page.get("Uploads", [])] == made[:4]
    [abort(*each) for each in made]


@check("multipart: abort; then part, list, complete, abort -> NoSuchUpload")
def _():
    created, listed = upload("m", [b"x"])
    abort("m", created)
    refused("NoSuchUpload", put_part, "m", created, 2, b"x")
    refused("NoSuchUpload", s3.list_parts, Bucket=BUCKET, Key="m", UploadId=created)
    refused("NoSuchUpload", complete, "m", created, listed)
    refused("NoSuchUpload", abort, "m", created)


@check("multipart: complete twice")
def _():
    created, listed = upload("m", [b"x"])
    assert complete("m", created, listed)["ETag"] == complete("m", created, listed)["ETag"]


@check("multipart: wrong ETag, missing part, wrong order, small part; upload survives")
def _():
    created, listed = upload("m", [noise(5 * MIB), b"a", b"b"])
    wrong = [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]
    refused("InvalidPart", complete, "m", created, wrong)
    refused("InvalidPart", complete, "m", created, [{"PartNumber": 9, "ETag": listed[0]["ETag"]}])
    refused("InvalidPartOrder", complete, "m", created, [listed[1], listed[0]])
    refused("EntityTooSmall", complete, "m", created, listed)
    complete("m", created, [listed[0], listed[2]])
    assert get("m") == noise(5 * MIB) + b"b"


@check("multipart: part re-upload replaces; subset of parts completes")
def _():
    created, listed = upload("m", [b"old", b"second"])
    listed[0] = put_part("m", created, 1, b"new")
    complete("m", created, listed[:1])
    assert get("m") == b"new"


@check("multipart: part number 10000 ok, 0 and 10001 refused")
def _():
    created, _ = upload("m", [])
    last = put_part("m", created, 10000, b"x")
    refused("InvalidArgument", put_part, "m", created, 0, b"x")
    refused("InvalidArgument", put_part, "m", created, 10001, b"x")
    complete("m", created, [last])


@check("truncated PUT and part bodies are not stored")
def _():
    put("k", b"good")
    created, _ = upload("m", [])
    for url in (sign("put_object", Key="k"), sign("upload_part", Key="m", UploadId=created, PartNumber=1)):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.putrequest("PUT", parts.path + "?" + parts.query)
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(b"x" * 1000)
        connection.close()
    time.sleep(0.3)
    assert get("k") == b"good"
    assert not s3.list_parts(Bucket=BUCKET, Key="m", UploadId=created).get("Parts")
    abort("m", created)


@check("multipart: object invisible until complete; old object kept meanwhile")
def _():
    put("m", b"old")
    created, listed = upload("m", [b"new"])
    assert get("m") == b"old"
    complete("m", created, listed)
    assert get("m") == b"new"


@check("multipart: two uploads of one key, same part numbers; id of another key refused")
def _():
    one, listed_one = upload("m", [b"one"])
    two, listed_two = upload("m", [b"two"])
    refused("NoSuchUpload", put_part, "other", one, 1, b"x")
    complete("m", one, listed_one)
    assert get("m") == b"one"
    complete("m", two, listed_two)
    assert get("m") == b"two"


@check("multipart: UploadPartCopy (+range)")
def _():
    put("src", noise(6 * MIB))
    created, _ = upload("m", [])
    parts = []
    for number, given in ((1, f"bytes=0-{5 * MIB - 1}"), (2, f"bytes={5 * MIB}-{6 * MIB - 1}")):
        copied = s3.upload_part_copy(Bucket=BUCKET, Key="m", UploadId=created, PartNumber=number,
                                     CopySource={"Bucket": BUCKET, "Key": "src"}, CopySourceRange=given)
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    complete("m", created, parts)
    assert get("m") == noise(6 * MIB)


@check("multipart: head and get by PartNumber -> 206 + PartsCount")
def _():
    created, listed = upload("m", [noise(5 * MIB), b"end"])
    complete("m", created, listed)
    told = head("m", PartNumber=2)
    assert (told["PartsCount"], told["ContentLength"]) == (2, 3)
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 206 and get("m", PartNumber=2) == b"end"


@check("conditional writes: PutObject If-None-Match, If-Match; Complete If-None-Match; race has one winner")
def _():
    s3.delete_object(Bucket=BUCKET, Key="c")
    etag = put("c", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", put, "c", IfNoneMatch="*")
    refused("PreconditionFailed", put, "c", IfMatch='"other"')
    put("c", IfMatch=etag)
    created, listed = upload("c", [b"x"])
    refused("PreconditionFailed", complete, "c", created, listed, IfNoneMatch="*")
    abort("c", created)
    s3.delete_object(Bucket=BUCKET, Key="race")
    won = []

    def attempt(racer):
        try:
            make().put_object(Bucket=BUCKET, Key="race", Body=b"%d" % racer, IfNoneMatch="*")
            won.append(racer)
        except ClientError:
            pass

    threads = [threading.Thread(target=attempt, args=(racer,)) for racer in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(won) == 1 and get("race") == b"%d" % won[0]


for algorithm in ("SHA256", "SHA1", "CRC32", "CRC32C", "CRC64NVME"):
    @check(f"checksum {algorithm}: PutObject verify, HEAD returns, trailer stream")
    def _(algorithm=algorithm):
        import io
        if algorithm in ("CRC32C", "CRC64NVME"):
            try:
                import awscrt  # noqa: F401
            except ImportError:
                # boto3 computes these with awscrt only: known values by header instead.
                value = {"CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="}[algorithm]
                field = f"Checksum{algorithm}"
                plain.put_object(Bucket=BUCKET, Key="k", Body=b"123456789", **{field: value})
                assert head("k", ChecksumMode="ENABLED")[field] == value
                refused("BadDigest", plain.put_object, Bucket=BUCKET, Key="k", Body=b"12345678X", **{field: value})
                return
        field, body = f"Checksum{algorithm}", noise(MIB + 1)
        sent = put("k", body, ChecksumAlgorithm=algorithm)[field]
        assert head("k", ChecksumMode="ENABLED")[field] == sent
        put("k", io.BytesIO(body), ChecksumAlgorithm=algorithm)
        assert head("k", ChecksumMode="ENABLED")[field] == sent
        wrong = base64.b64encode(bytes(len(base64.b64decode(sent)))).decode()
        refused("BadDigest", plain.put_object, Bucket=BUCKET, Key="k", Body=b"evil", **{field: wrong})
        assert get("k") == body

for algorithm, kind in (("SHA256", "COMPOSITE"), ("SHA1", "COMPOSITE"), ("CRC32", "COMPOSITE"),
                        ("CRC32", "FULL_OBJECT")):
    @check(f"checksum multipart {algorithm} {kind}; wrong part checksum refused")
    def _(algorithm=algorithm, kind=kind):
        parts, field = [noise(5 * MIB), b"end"], f"Checksum{algorithm}"
        created = s3.create_multipart_upload(Bucket=BUCKET, Key="m", ChecksumAlgorithm=algorithm, ChecksumType=kind)
        created, listed = created["UploadId"], []
        for number, part in enumerate(parts, 1):
            answer = s3.upload_part(Bucket=BUCKET, Key="m", UploadId=created, PartNumber=number, Body=part,
                                    ChecksumAlgorithm=algorithm)
            listed.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        refused("InvalidPart", complete, "m", created, [{**listed[0], field: listed[1][field]}, listed[1]])
        done = complete("m", created, listed)
        assert done["ChecksumType"] == kind
        if kind == "FULL_OBJECT":
            whole = zlib.crc32(b"".join(parts)).to_bytes(4, "big")
            assert done[field] == base64.b64encode(whole).decode()
        else:
            digests = b"".join(base64.b64decode(part[field]) for part in listed)
            if algorithm != "CRC32":
                digest = hashlib.new(algorithm.lower(), digests).digest()
            else:
                digest = zlib.crc32(digests).to_bytes(4, "big")
            assert done[field] == base64.b64encode(digest).decode() + "-2"
        attributes = s3.get_object_attributes(Bucket=BUCKET, Key="m",
                                              ObjectAttributes=["ObjectParts", "Checksum", "ObjectSize", "ETag"])
        assert attributes["ObjectSize"] == 5 * MIB + 3
        assert attributes["ObjectParts"]["TotalPartsCount"] == 2
        assert attributes["ObjectParts"]["Parts"][1][field] == listed[1][field]
        assert get("m", ChecksumMode="ENABLED") == b"".join(parts)


@check("bucket CORS: put, get, delete")
def _():
    rules = [{"AllowedOrigins": ["https://*.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"],
              "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": rules})
    got = s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"]
    assert got[0]["AllowedOrigins"] == ["https://*.example"]
    answer = raw("OPTIONS", f"{ENDPOINT}/{BUCKET}/k", headers={
        "Origin": "https://a.example", "Access-Control-Request-Method": "PUT"})
    assert answer[0] == 200 and answer[2]["access-control-allow-origin"] == "https://a.example"
    s3.delete_bucket_cors(Bucket=BUCKET)


@check("CORS by settings: preflight, actual and error answers")
def _():
    if ORIGIN is None:
        return
    put("k")
    answer = raw("OPTIONS", f"{ENDPOINT}/{BUCKET}/k", headers={
        "Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"})
    assert answer[0] == 200 and answer[2]["access-control-allow-headers"] == "content-type"
    for url, status in ((sign("get_object", Key="k"), 200), (sign("get_object", Key="none"), 404)):
        answer = raw("GET", url, headers={"Origin": ORIGIN})
        assert answer[0] == status and "etag" in answer[2]["access-control-expose-headers"].lower()


@check("CopyObject (+metadata REPLACE, If-Match), of a multipart object")
def _():
    put("src", b"x", Metadata={"a": "1"})
    etag = head("src")["ETag"]
    source = {"Bucket": BUCKET, "Key": "src"}
    s3.copy_object(Bucket=BUCKET, Key="dst", CopySource=source, CopySourceIfMatch=etag)
    assert head("dst")["Metadata"] == {"a": "1"}
    s3.copy_object(Bucket=BUCKET, Key="dst", CopySource=source, MetadataDirective="REPLACE", Metadata={"a": "2"})
    assert head("dst")["Metadata"] == {"a": "2"}
    refused("PreconditionFailed", s3.copy_object, Bucket=BUCKET, Key="dst", CopySource=source,
            CopySourceIfMatch='"other"')
    created, listed = upload("m", [noise(5 * MIB), b"end"])
    complete("m", created, listed)
    s3.copy_object(Bucket=BUCKET, Key="mc", CopySource={"Bucket": BUCKET, "Key": "m"})
    s3.delete_object(Bucket=BUCKET, Key="m")
    assert get("mc") == noise(5 * MIB) + b"end"


@check("object tagging: API and x-amz-tagging header")
def _():
    put("k", Tagging="a=1&b=x%20y")
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"]}
    assert tags == {"a": "1", "b": "x y"}
    s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=BUCKET, Key="k")
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == []


@check("ListObjectsV2 and V1: pagination, delimiter, start-after")
def _():
    keys = [f"l/{name}" for name in ("a", "b/1", "b/2", "c", "d/1", "\u00e9 +%")]
    [put(key) for key in keys]
    for name in ("list_objects_v2", "list_objects"):
        for size in (1, 2, 100):
            pages = list(s3.get_paginator(name).paginate(Bucket=BUCKET, Prefix="l/",
                                                         PaginationConfig={"PageSize": size}))
            assert [each["Key"] for page in pages for each in page.get("Contents", [])] == keys, (name, size)
            pages = list(s3.get_paginator(name).paginate(Bucket=BUCKET, Prefix="l/", Delimiter="/",
                                                         PaginationConfig={"PageSize": size}))
            rolled = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
            assert rolled == ["l/b/", "l/d/"], (name, size, rolled)
            found = [each["Key"] for page in pages for each in page.get("Contents", [])]
            assert found == ["l/a", "l/c", "l/\u00e9 +%"], (name, size, found)
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="l/", StartAfter="l/c")
    assert [each["Key"] for each in after["Contents"]] == ["l/d/1", "l/\u00e9 +%"]


@check("DeleteObjects (batch)")
def _():
    [put(f"d/{number}") for number in range(5)]
    gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"d/{n}"} for n in range(6)]})
    assert len(gone["Deleted"]) == 6 and not gone.get("Errors")
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="d/")["KeyCount"] == 0


@check("key edge cases: unicode, space, +, %, //, trailing /, traversal, control characters, 1024 bytes")
def _():
    keys = ["\u6f22\u5b57 \U0001f980", "a b+c%20d", "a//b", "dir/", "../../etc/passwd", "..", "./x", "q?x=1&y#z",
            "line\nbreak\ttab", "k" * 1024, "'\"<>&"]
    for key in keys:
        body = hashlib.sha256(key.encode()).digest()
        put(key, body)
        assert get(key) == body, key
        assert raw("GET", sign("get_object", Key=key))[1] == body, key
    listed = [each["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
              for each in page["Contents"]]
    assert set(keys) <= set(listed)
    refused("KeyTooLongError", put, "k" * 1025)
    [s3.delete_object(Bucket=BUCKET, Key=key) for key in keys]


@check('key edge: "a" and "a/b" both exist')
def _():
    put("a", b"1")
    put("a/b", b"2")
    assert (get("a"), get("a/b")) == (b"1", b"2")


@check("what is not implemented says so: encryption, versioning, policy, lifecycle, locks, ACLs, POST forms")
def _():
    refused("NotImplemented", put, "k", ServerSideEncryption="AES256")
    refused("NotImplemented", put, "k", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    refused("NotImplemented", put, "k", ACL="public-read")
    refused("NotImplemented", s3.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    refused("NotImplemented", s3.put_bucket_policy, Bucket=BUCKET, Policy="{}")
    refused("NotImplemented", s3.put_bucket_lifecycle_configuration, Bucket=BUCKET, LifecycleConfiguration={
        "Rules": [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]})
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    assert raw("POST", f"{ENDPOINT}/{BUCKET}", b"--x--", boundary)[0] == 501


@check("a refused PUT with Expect: 100-continue does not spoil the next request (60 tries)")
def _():
    bad = boto3.client("s3", endpoint_url=ENDPOINT, aws_access_key_id=ACCESS, aws_secret_access_key="wrong",
                       region_name="us-east-1", config=Config(retries={"max_attempts": 1}))
    put("k", b"good")
    for _ in range(60):
        refused("SignatureDoesNotMatch", bad.put_object, Bucket=BUCKET, Key="k", Body=noise(100000))
        refused("PreconditionFailed", put, "k", noise(100000), IfNoneMatch="*")
        assert get("k") == b"good"


def clean():
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET):
        for each in page.get("Uploads", []):
            abort(each["Key"], each["UploadId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for each in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def main():
    s3.create_bucket(Bucket=BUCKET)
    failed = 0
    try:
        for name, function in checks:
            try:
                function()
                print(f"ok      {name}", flush=True)
            except Exception as error:  # noqa: BLE001
                failed += 1
                text = re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")[:200]
                print(f"FAILED  {name}: {text}", flush=True)
    finally:
        clean()
    print(f"{len(checks) - failed} of {len(checks)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
