//! Checksums: what a client declares is verified, what it asks for is kept and given back.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, ObjectAttributes,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use super::harness::{BUCKET, Server, code, get, noise, plain_client};

#[tokio::test]
async fn every_algorithm_goes_in_by_header_and_by_trailer_and_comes_back() {
    let server = Server::start().await;
    let client = server.client();
    let bytes = noise(1, (2 << 20) + 5);
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &bytes).unwrap();
        // From memory the SDK computes the header first; from a file it streams and appends a trailer.
        for body in [ByteStream::from(bytes.clone()), ByteStream::from_path(path.path()).await.unwrap()] {
            let put = client.put_object().bucket(BUCKET).key("k").checksum_algorithm(algorithm.clone()).body(body);
            let put = put.send().await.unwrap();
            let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled);
            let head = head.send().await.unwrap();
            let sums = [
                (head.checksum_crc32, put.checksum_crc32),
                (head.checksum_crc32_c, put.checksum_crc32_c),
                (head.checksum_crc64_nvme, put.checksum_crc64_nvme),
                (head.checksum_sha1, put.checksum_sha1),
                (head.checksum_sha256, put.checksum_sha256),
            ];
            assert_eq!(sums.iter().filter(|(head, _)| head.is_some()).count(), 1, "{algorithm}");
            assert!(sums.iter().all(|(head, put)| head == put));
            assert_eq!(head.checksum_type, Some(ChecksumType::FullObject));
            assert!(get(&client, "k").await == bytes, "the SDK checks what it reads");
        }
    }
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_what_was_there_stays() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let put = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"evil"));
    client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"good")).send().await.unwrap();
    let md5 = BASE64.encode(Md5::digest(b"good"));
    assert_eq!(code(put().content_md5(&md5).send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_sha256(BASE64.encode([0; 32])).send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(code(put().content_md5("not base64").send().await), "InvalidDigest");
    assert_eq!(get(&client, "k").await, b"good");
    server.await_files(1).await;
    put().content_md5(BASE64.encode(Md5::digest(b"evil"))).send().await.unwrap();
}

#[tokio::test]
async fn nobody_asked_and_still_there_is_one() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"123456789")).send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.checksum_crc64_nvme.as_deref(), Some("rosUhgp5mIg="));
    let quiet = client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(quiet.checksum_crc64_nvme, None);
}

/// A multipart upload of which every part carries a checksum.
async fn upload(
    client: &Client,
    parts: &[Vec<u8>],
    algorithm: &ChecksumAlgorithm,
    kind: &ChecksumType,
) -> CompleteMultipartUploadOutput {
    let created = client.create_multipart_upload().bucket(BUCKET).key("m");
    let created = created.checksum_algorithm(algorithm.clone()).checksum_type(kind.clone()).send().await.unwrap();
    let id = created.upload_id.unwrap();
    let mut listed = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let put = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(number);
        let put = put.checksum_algorithm(algorithm.clone()).body(ByteStream::from(part.clone()));
        let put = put.send().await.unwrap();
        let part = CompletedPart::builder().part_number(number).set_e_tag(put.e_tag);
        let part = part.set_checksum_crc32(put.checksum_crc32).set_checksum_crc32_c(put.checksum_crc32_c);
        let part = part.set_checksum_crc64_nvme(put.checksum_crc64_nvme);
        listed.push(part.set_checksum_sha1(put.checksum_sha1).set_checksum_sha256(put.checksum_sha256).build());
    }
    let listed = CompletedMultipartUpload::builder().set_parts(Some(listed)).build();
    let done = client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    done.multipart_upload(listed).send().await.unwrap()
}

#[tokio::test]
async fn multipart_full_object_and_composite() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let parts = [noise(1, 5 << 20), noise(2, 5 << 20), noise(3, 77)];
    let cases = [
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32C, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32C, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha1, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
    ];
    for (algorithm, kind) in cases {
        let done = upload(&client, &parts, &algorithm, &kind).await;
        assert_eq!(done.checksum_type, Some(kind.clone()));
        let sums = [done.checksum_crc32, done.checksum_crc32_c, done.checksum_crc64_nvme];
        if kind == ChecksumType::FullObject {
            let single = server.client().put_object().bucket(BUCKET).key("whole").checksum_algorithm(algorithm.clone());
            let single = single.body(ByteStream::from(parts.concat())).send().await.unwrap();
            assert_eq!(sums, [single.checksum_crc32, single.checksum_crc32_c, single.checksum_crc64_nvme]);
        } else {
            let composite = sums.into_iter().flatten().next().or(done.checksum_sha1).or(done.checksum_sha256);
            assert!(composite.unwrap().ends_with("-3"), "{algorithm}");
        }
        let attributes = client.get_object_attributes().bucket(BUCKET).key("m").max_parts(2);
        let attributes = attributes
            .object_attributes(ObjectAttributes::ObjectParts)
            .object_attributes(ObjectAttributes::ObjectSize)
            .object_attributes(ObjectAttributes::Checksum);
        let attributes = attributes.send().await.unwrap();
        assert_eq!(attributes.object_size, Some(parts.concat().len() as i64));
        assert_eq!(attributes.checksum.unwrap().checksum_type, Some(kind));
        let page = attributes.object_parts.unwrap();
        assert_eq!((page.total_parts_count, page.parts().len(), page.is_truncated), (Some(3), 2, Some(true)));
        assert_eq!(page.next_part_number_marker.as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn completing_with_another_checksum_is_refused_and_the_upload_survives() {
    let server = Server::start().await;
    let client = plain_client(server.address);
    let created = client.create_multipart_upload().bucket(BUCKET).key("m");
    let created = created.checksum_algorithm(ChecksumAlgorithm::Crc32).checksum_type(ChecksumType::FullObject);
    let id = created.send().await.unwrap().upload_id.unwrap();
    let put = client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let put = put.body(ByteStream::from_static(b"123456789")).send().await.unwrap();
    assert_eq!(put.checksum_crc32.as_deref(), Some("y/Q5Jg=="), "the upload's algorithm is computed for every part");
    let part = |sum: &str| {
        let part = CompletedPart::builder().part_number(1).set_e_tag(put.e_tag.clone()).checksum_crc32(sum).build();
        CompletedMultipartUpload::builder().parts(part).build()
    };
    let done = || client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(&id);
    assert_eq!(code(done().multipart_upload(part("AAAAAA==")).send().await), "InvalidPart");
    let wrong = done().multipart_upload(part("y/Q5Jg==")).checksum_crc32("AAAAAA==").send().await;
    assert_eq!(code(wrong), "BadDigest");
    let wrong = done().multipart_upload(part("y/Q5Jg==")).mpu_object_size(8).send().await;
    assert_eq!(code(wrong), "InvalidRequest");
    let right = done().multipart_upload(part("y/Q5Jg==")).checksum_crc32("y/Q5Jg==").mpu_object_size(9).send().await;
    assert_eq!(right.unwrap().checksum_crc32.as_deref(), Some("y/Q5Jg=="));
}
