# What Gantry may do with the bucket, and nothing else: neither its settings nor versions that were removed. A URL that Gantry signs
# may do no more than Gantry itself. A test compares the actions with the calls of src/blob/s3.

data "aws_iam_policy_document" "gantry" {
  statement {
    sid = "Objects"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${aws_s3_bucket.files.arn}/*"]
  }

  # The search for orphans lists both.
  statement {
    sid = "Lists"
    actions = [
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
    ]
    resources = [aws_s3_bucket.files.arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == "" ? [] : [var.kms_key_arn]
    content {
      sid       = "Encryption"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "gantry" {
  name_prefix = "gantry-"
  description = "Gantry's access to the bucket ${var.bucket}"
  policy      = data.aws_iam_policy_document.gantry.json
  tags        = var.tags
}

resource "aws_iam_role" "gantry" {
  count              = var.role_trust_policy == "" ? 0 : 1
  name_prefix        = "gantry-"
  assume_role_policy = var.role_trust_policy
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "gantry" {
  count      = var.role_trust_policy == "" ? 0 : 1
  role       = aws_iam_role.gantry[0].name
  policy_arn = aws_iam_policy.gantry.arn
}

# Outside of Amazon: a user, whose access key is made by hand (aws iam create-access-key) so that no secret is in the state.
resource "aws_iam_user" "gantry" {
  count = var.role_trust_policy == "" ? 1 : 0
  name  = "gantry-${var.bucket}"
  tags  = var.tags
}

resource "aws_iam_user_policy_attachment" "gantry" {
  count      = var.role_trust_policy == "" ? 1 : 0
  user       = aws_iam_user.gantry[0].name
  policy_arn = aws_iam_policy.gantry.arn
}
