//! The embedded store through the real AWS SDK over TCP, and where an SDK is too polite, through raw HTTP.

mod checksums;
mod conditions;
mod copying;
mod crash;
mod damage;
mod full_disk;
mod harness;
mod http_face;
mod limits;
mod listing;
mod multipart;
mod objects;
mod s3_details;
mod signing;
mod trash;
mod upload_limits;
