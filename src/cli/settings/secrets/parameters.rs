//! The parameter store of AWS Systems Manager.

use super::{Missing, missing};
use crate::aws::Aws;
use crate::model::secret::Secret;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::error::ProvideErrorMetadata;

/// The value of the parameter called `name`, decrypted.
pub(super) async fn fetch(name: &str, aws: &Aws) -> Result<Secret, Missing> {
    let config = Builder::from(aws.config().await).interceptor(aws.attempts()).build();
    let answer = Client::from_conf(config).get_parameter().name(name).with_decryption(true).send().await;
    let answer = answer.map_err(|e| missing("parameter", name, "ssm:GetParameter", e.code()))?;
    match answer.parameter.and_then(|parameter| parameter.value) {
        Some(text) => Ok(Secret::new(text)),
        None => Err(Missing::lasting(format!("parameter `{name}` holds nothing"))),
    }
}
