variable "bucket" {
  description = "Name of the bucket: GANTRY_S3_BUCKET. For Gantry alone; two installations do not share one."
  type        = string
}

variable "origins" {
  description = "Origins whose pages send bytes to the bucket: GANTRY_PUBLIC_URL and those of GANTRY_CORS_ORIGINS."
  type        = list(string)

  validation {
    condition     = length(var.origins) > 0 && alltrue([for origin in var.origins : can(regex("^https?://[^/*]+$", origin))])
    error_message = "Origins look like https://files.example: with scheme, without path, and none of them is *."
  }
}

variable "kms_key_arn" {
  description = "Key of KMS for encryption at rest. Empty: keys that S3 manages (SSE-S3)."
  type        = string
  default     = ""
}

variable "abort_incomplete_after_days" {
  description = "After how many days S3 gives up multipart uploads that nobody ended. More than uploads.expires_in (7 days), so that Gantry does it first."
  type        = number
  default     = 14

  validation {
    condition     = var.abort_incomplete_after_days > 7
    error_message = "An upload lives for uploads.expires_in, 7 days unless set; the rule must come after that."
  }
}

variable "keep_removed_days" {
  description = "For how many days S3 keeps what was removed or replaced, to go back to a backup of the database of that time."
  type        = number
  default     = 30
}

variable "role_trust_policy" {
  description = "Who may take the role: the JSON of an assume-role policy, for example of EC2 or of a Kubernetes service account. Empty: a user with an access key is made instead."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
