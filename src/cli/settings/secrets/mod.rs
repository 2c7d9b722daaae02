//! Secrets that stand in the environment file by name only: `${aws-secret:NAME#key}` and `${aws-ssm:NAME}`.
//!
//! They are fetched before the file is checked, each once however often it is named, and only when a value names them:
//! a comment fetches nothing. What was fetched is never shown; what could not be is told at the line and key that want
//! it.

mod parameters;
mod secret_values;

use crate::aws::Aws;
use crate::model::secret::Secret;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// AWS Secrets Manager, by name or ARN.
    Manager(String),
    /// The parameter store of AWS Systems Manager, by name or ARN.
    Parameter(String),
}

/// A `${…}` that names a secret.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    place: Place,
    /// Field of the secret's JSON object.
    field: Option<String>,
}

/// Why a secret is not there, for the problem at the key that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// What is wrong and what to do, without any value.
    pub message: String,
    /// Whether it may well be there the next time, with the file as it is: nothing answered, or no credentials.
    pub passing: bool,
}

impl Missing {
    fn lasting(message: String) -> Self {
        Self { message, passing: false }
    }

    fn passing(message: String) -> Self {
        Self { message, passing: true }
    }
}

/// What the file's references stand for.
#[derive(Debug, Default)]
pub struct Secrets {
    fetched: BTreeMap<Place, Result<Secret, Missing>>,
}

impl Secrets {
    /// Fetches everything that the values of `text`, an environment file, name. Text that is no TOML names nothing.
    pub async fn fetch(text: &str, aws: &Aws) -> Self {
        let (table, _) = DeTable::parse_recoverable(text);
        let mut places = BTreeSet::new();
        collect(table.get_ref().values().map(toml::Spanned::get_ref), &mut places);
        let fetching = places.into_iter().map(|place| async {
            let found = match &place {
                Place::Manager(name) => secret_values::fetch(name, aws).await,
                Place::Parameter(name) => parameters::fetch(name, aws).await,
            };
            (place, found)
        });
        Self { fetched: join_all(fetching).await.into_iter().collect() }
    }

    /// The value of the reference between `${` and `}`; `None`: that is no reference to a secret.
    pub(super) fn value(&self, inside: &str) -> Option<Result<String, String>> {
        let reference = match reference(inside)? {
            Ok(reference) => reference,
            Err(message) => return Some(Err(message)),
        };
        Some(match self.fetched.get(&reference.place) {
            Some(Ok(secret)) => part(secret, &reference),
            Some(Err(missing)) => Err(missing.message.clone()),
            None => Err("was not fetched from AWS".to_owned()),
        })
    }

    /// Whether `message`, of a problem with this file, is only about a secret that could not be asked for now.
    pub(super) fn is_passing(&self, message: &str) -> bool {
        let missing = self.fetched.values().filter_map(|found| found.as_ref().err());
        missing.filter(|missing| missing.passing).any(|missing| missing.message == message)
    }
}

/// Every place that a string among `values` names, at every depth.
fn collect<'v>(values: impl Iterator<Item = &'v DeValue<'v>>, places: &mut BTreeSet<Place>) {
    for value in values {
        match value {
            DeValue::String(text) => {
                let inside = text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
                places.extend(inside.filter_map(|inside| Some(reference(inside)?.ok()?.place)));
            }
            DeValue::Array(items) => collect(items.iter().map(toml::Spanned::get_ref), places),
            DeValue::Table(table) => collect(table.values().map(toml::Spanned::get_ref), places),
            _ => {}
        }
    }
}

/// What stands between `${` and `}`, when it names a secret.
fn reference(inside: &str) -> Option<Result<Reference, String>> {
    let (scheme, rest) = inside.split_once(':')?;
    let (name, field) = match scheme {
        "aws-secret" => match rest.rsplit_once('#') {
            Some((name, field)) => (name, Some(field)),
            None => (rest, None),
        },
        "aws-ssm" => (rest, None),
        _ => return None,
    };
    if rest.contains(":-") {
        return Some(Err(format!("`${{{scheme}:…}}` takes no default: a misspelt name would go unnoticed")));
    }
    // What AWS allows in names and ARNs; anything else may be a secret that was pasted here, and is not shown.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@:-".contains(c);
    if name.is_empty() || !name.chars().all(allowed) || field == Some("") {
        let example = if scheme == "aws-ssm" { "${aws-ssm:NAME}" } else { "${aws-secret:NAME#key}" };
        return Some(Err(format!("`${{{scheme}:…}}` names nothing in AWS; write `{example}`")));
    }
    let place = match scheme {
        "aws-ssm" => Place::Parameter(name.to_owned()),
        _ => Place::Manager(name.to_owned()),
    };
    Some(Ok(Reference { place, field: field.map(str::to_owned) }))
}

/// The whole secret, or one field of the JSON object it holds.
fn part(secret: &Secret, reference: &Reference) -> Result<String, String> {
    let Some(field) = &reference.field else { return Ok(secret.expose().to_owned()) };
    let name = match &reference.place {
        Place::Manager(name) | Place::Parameter(name) => name,
    };
    // Its text is not quoted in any message, nor are the names of its other fields.
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(secret.expose())
        .map_err(|_| format!("secret `{name}` holds no JSON object; write `${{aws-secret:{name}}}` for its text"))?;
    match object.get(field) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(format!("`{field}` of secret `{name}` is no text")),
        None => Err(format!("secret `{name}` has no `{field}`")),
    }
}

/// What a failed call means, from the code AWS gave, if it gave one. `what` is `secret` or `parameter`, `action` the
/// permission that the call needs.
fn missing(what: &str, name: &str, action: &str, code: Option<&str>) -> Missing {
    match code {
        Some("ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound") => Missing::lasting(
            format!("there is no {what} `{name}` in this account and region; create it, or correct the name"),
        ),
        Some(code) if code.contains("AccessDenied") => Missing::lasting(format!(
            "no permission to read {what} `{name}`; grant {action} on it, and kms:Decrypt on its key"
        )),
        Some("DecryptionFailure" | "InvalidKeyId") => {
            Missing::lasting(format!("{what} `{name}` cannot be decrypted; grant kms:Decrypt on its key"))
        }
        Some("InvalidRequestException") => {
            Missing::lasting(format!("{what} `{name}` is marked for deletion; restore it"))
        }
        Some(code) => Missing::passing(format!("{what} `{name}` could not be read: AWS answered {code}")),
        None => Missing::passing(format!(
            "{what} `{name}` could not be read: no answer from AWS; check network, region and where this process gets its \
             credentials"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_variables() {
        let place = |inside: &str| reference(inside).map(|found| found.map(|found| (found.place, found.field)));
        assert_eq!(place("MONGODB_URI"), None);
        assert_eq!(place("VAR:-default"), None);
        assert_eq!(
            place("aws-secret:prod/lake#uri"),
            Some(Ok((Place::Manager("prod/lake".into()), Some("uri".into()))))
        );
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:lake-AbCdEf";
        assert_eq!(place(&format!("aws-secret:{arn}")), Some(Ok((Place::Manager(arn.into()), None))));
        assert_eq!(place("aws-ssm:/lake/uri"), Some(Ok((Place::Parameter("/lake/uri".into()), None))));
        for bad in ["aws-secret:", "aws-secret:#key", "aws-secret:a#", "aws-ssm:p@ss word"] {
            let message = place(bad).unwrap().unwrap_err();
            assert!(message.contains("names nothing in AWS") && !message.contains("p@ss"), "{message}");
        }
        assert!(place("aws-secret:a#b:-c").unwrap().unwrap_err().contains("takes no default"));
    }

    #[test]
    fn only_values_name_secrets_and_each_once() {
        let (table, _) = DeTable::parse_recoverable(
            "# ${aws-secret:comment#a}\n[source]\nuri = \"${aws-secret:a#x}${aws-secret:a#y}\"\n[mail]\nto = [\"${aws-ssm:/b}\"]\n",
        );
        let mut places = BTreeSet::new();
        collect(table.get_ref().values().map(toml::Spanned::get_ref), &mut places);
        assert_eq!(places, BTreeSet::from([Place::Manager("a".into()), Place::Parameter("/b".into())]));
    }

    #[test]
    fn messages_about_a_secret_hold_nothing_of_it() {
        let place = Place::Manager("lake".into());
        let of = |field: &str| Reference { place: place.clone(), field: Some(field.into()) };
        let secret = Secret::new(r#"{"uri":"mongodb://hunter2","port":27017,"deep":{}}"#.into());
        assert_eq!(part(&secret, &of("uri")).as_deref(), Ok("mongodb://hunter2"));
        assert_eq!(part(&secret, &of("port")).as_deref(), Ok("27017"));
        assert_eq!(part(&secret, &of("url")).unwrap_err(), "secret `lake` has no `url`");
        assert_eq!(part(&secret, &of("deep")).unwrap_err(), "`deep` of secret `lake` is no text");
        let text = Secret::new("hunter2".into());
        assert!(!part(&text, &of("uri")).unwrap_err().contains("hunter2"));
    }
}
