//! AWS Secrets Manager.

use super::{Missing, missing};
use crate::aws::Aws;
use crate::model::secret::Secret;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;

/// The text of the secret called `name`, in its current version.
pub(super) async fn fetch(name: &str, aws: &Aws) -> Result<Secret, Missing> {
    let config = Builder::from(aws.config().await).interceptor(aws.attempts()).build();
    let answer = Client::from_conf(config).get_secret_value().secret_id(name).send().await;
    // The message of AWS is left out: it may quote what was asked for, the policy, or both.
    let secret = answer.map_err(|e| missing("secret", name, "secretsmanager:GetSecretValue", e.code()))?;
    match secret.secret_string {
        Some(text) => Ok(Secret::new(text)),
        None => Err(Missing::lasting(format!("secret `{name}` is binary; store it as text"))),
    }
}
