output "settings" {
  description = "Settings of Gantry for this bucket."
  value = {
    GANTRY_STORE     = "s3"
    GANTRY_S3_BUCKET = aws_s3_bucket.files.bucket
    GANTRY_S3_REGION = aws_s3_bucket.files.region
  }
}

output "role_arn" {
  description = "The role that Gantry's machines or its service account take, if role_trust_policy is set."
  value       = one(aws_iam_role.gantry[*].arn)
}

output "user_name" {
  description = "The user for whom an access key is made by hand, if role_trust_policy is not set."
  value       = one(aws_iam_user.gantry[*].name)
}
