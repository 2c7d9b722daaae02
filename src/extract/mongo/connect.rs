//! The connection: options, the client, and what was learnt through it.

use super::failure;
use super::layout::Layout;
use super::member::Members;
use super::rate::Rate;
use crate::error::{Error, Kind, Result};
use crate::extract::CollectionKind;
use crate::model::collection::Namespace;
use crate::model::secret::Secret;
use crate::model::settings::SourceSettings;
use bson::{Document, doc};
use mongodb::Client;
use mongodb::options::{ClientOptions, ConnectionString, Credential, ReadPreference, SelectionCriteria};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a suitable server is looked for, unless the URI says otherwise.
const SERVER_SELECTION: Duration = Duration::from_secs(10);

/// What every query says of itself, unless the URI names the application.
const APPLICATION: &str = "lakefold";

/// One MongoDB and what is known of it; shared by all reads of a run.
pub(super) struct Connection {
    uri: Secret,
    read_preference: ReadPreference,
    /// In the server's logs and profiler: `lakefold/<run_id>`.
    comment: String,
    client: OnceCell<Client>,
    /// Whether the URI names one server, whose name in its replica set may be another.
    direct: AtomicBool,
    /// Whether the server takes read concern majority; cleared by the first query that it refuses for it.
    majority: AtomicBool,
    layouts: Mutex<HashMap<Namespace, Arc<Layout>>>,
    members: Members,
    rate: Rate,
    retries: Mutex<HashMap<Namespace, u64>>,
}

impl Connection {
    pub fn new(settings: &SourceSettings, run_id: &str) -> Result<Self> {
        // The driver's text quotes what it stumbled over: of `reader:se?cret@host` that is half of the password.
        ConnectionString::parse(settings.uri.expose()).map_err(|_| {
            Error::new(Kind::Input, "[source] uri cannot be read as a connection string of MongoDB").hint(
                "special characters in user and password must be percent-encoded; then check the names of options",
            )
        })?;
        Ok(Self {
            uri: settings.uri.clone(),
            read_preference: read_preference(&settings.read_preference)?,
            comment: format!("lakefold/{run_id}"),
            client: OnceCell::new(),
            direct: AtomicBool::new(false),
            majority: AtomicBool::new(true),
            layouts: Mutex::default(),
            members: Members::default(),
            rate: Rate::new(settings.rate),
            retries: Mutex::default(),
        })
    }

    /// The driver's client; the first call looks up DNS records and reads certificates, but opens no connection.
    pub async fn client(&self) -> Result<&Client> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client> {
        let failed = |error| failure::explain(Kind::Unavailable, &error, "connect to MongoDB", None);
        let options = self.options().await.map_err(failed)?;
        self.direct.store(options.direct_connection.unwrap_or(false), Ordering::Relaxed);
        Client::with_options(options).map_err(failed)
    }

    /// What the URI says, and what lakefold says where it says nothing.
    async fn options(&self) -> mongodb::error::Result<ClientOptions> {
        let mut options = ClientOptions::parse(self.uri.expose()).await?;
        options.app_name.get_or_insert_with(|| APPLICATION.to_owned());
        options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
        // Whatever is repeated is repeated here, where it waits its turn and is counted.
        options.retry_reads = Some(false);
        options.selection_criteria.get_or_insert_with(|| self.read_preference.clone().into());
        Ok(options)
    }

    /// Whether there is one server only, whatever the read preference says.
    pub fn is_direct(&self) -> bool {
        self.direct.load(Ordering::Relaxed)
    }

    /// What is known of the members of the replica set.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Shared by all reads.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }

    /// As [`failure::explain`], with the command that grants what this connection's user lacks.
    pub fn explain(&self, error: &mongodb::error::Error, namespace: &Namespace, doing: &str) -> Error {
        let view = self.layout(namespace).is_some_and(|layout| layout.kind == CollectionKind::View);
        let told = failure::explain(Kind::Source, error, doing, view.then_some(namespace));
        let credential = ConnectionString::parse(self.uri.expose()).ok().and_then(|uri| uri.credential);
        match credential {
            Some(Credential { username: Some(user), source, .. }) if failure::is_forbidden(error) => {
                let command = failure::grant(&user, source.as_deref().unwrap_or("admin"), &namespace.database);
                let what = "grant the user the role read on the database; an administrator does it in mongosh:";
                told.hint(format!("{what}\n  {command}"))
            }
            _ => told,
        }
    }

    /// The comment of every query.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Runs a command about a collection, of data that may be a little old, from the primary if there is one.
    ///
    /// The outer error is lakefold's own, the inner one the server's last word after some tries.
    pub async fn command(
        &self,
        namespace: &Namespace,
        mut command: Document,
    ) -> Result<mongodb::error::Result<Document>> {
        command.insert("comment", self.comment.as_str());
        let anywhere = SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred { options: None });
        let database = self.client().await?.database(&namespace.database);
        let mut tries = 0;
        loop {
            let reply = database.run_command(command.clone()).selection_criteria(anywhere.clone()).await;
            tries += 1;
            match &reply {
                Err(error) if failure::is_transient(error) && tries < failure::TRIES => {
                    self.count_retry(namespace);
                    tokio::time::sleep(failure::backoff(tries)).await;
                }
                _ => return Ok(reply),
            }
        }
    }

    pub fn majority(&self) -> bool {
        self.majority.load(Ordering::Relaxed)
    }

    /// The server does not know read concern majority: the overlap of the windows has to do.
    pub fn forgo_majority(&self) {
        if self.majority.swap(false, Ordering::Relaxed) {
            tracing::warn!("the server refuses read concern majority: reading without it");
        }
    }

    pub fn layout(&self, namespace: &Namespace) -> Option<Arc<Layout>> {
        self.layouts.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    pub fn remember(&self, namespace: &Namespace, layout: &Arc<Layout>) {
        self.layouts.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.clone(), Arc::clone(layout));
    }

    pub fn count_retry(&self, namespace: &Namespace) {
        *self.retries.lock().unwrap_or_else(PoisonError::into_inner).entry(namespace.clone()).or_default() += 1;
    }

    pub fn retries(&self, namespace: &Namespace) -> u64 {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).copied().unwrap_or_default()
    }
}

fn read_preference(name: &str) -> Result<ReadPreference> {
    match name {
        "primary" => Ok(ReadPreference::Primary),
        "primaryPreferred" => Ok(ReadPreference::PrimaryPreferred { options: None }),
        "secondary" => Ok(ReadPreference::Secondary { options: None }),
        "secondaryPreferred" => Ok(ReadPreference::SecondaryPreferred { options: None }),
        "nearest" => Ok(ReadPreference::Nearest { options: None }),
        other => Err(Error::new(Kind::Input, format!("[source] read_preference {other} is unknown"))
            .hint("primary, primaryPreferred, secondary, secondaryPreferred or nearest")),
    }
}

/// The command that lists a database's collections of one name; names and types alone may be listed by more users.
pub(super) fn list_collections(name: &str, name_only: bool) -> Document {
    doc! { "listCollections": 1, "filter": { "name": name }, "nameOnly": name_only, "authorizedCollections": true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uri: &str) -> SourceSettings {
        SourceSettings {
            uri: Secret::new(uri.into()),
            read_preference: "primary".into(),
            overlap: Duration::ZERO,
            rate: None,
        }
    }

    #[test]
    fn a_uri_that_cannot_be_read_is_not_quoted() {
        for uri in [
            "mongodb://reader:hunter2?Secret@db/",
            "mongodb://reader:27017?hunter2@db/",
            "mongodb://reader:27017?hunter2=Secret@db/",
            "mongodb://reader:hunter2/Secret?x@db/",
            "mongodb://reader:hunter2@[::1/",
            "mongodb+srv://reader:hunter2?Secret@db/",
            "hunter2://db/",
            "mongodb://reader:x@db/?tls=true&tlsCertificateKeyFilePassword=Secret&hunter2=1",
        ] {
            let Err(error) = Connection::new(&at(uri), "r") else { panic!("{uri} was read") };
            let said = error.explained().to_lowercase();
            assert_eq!(error.kind(), Kind::Input);
            assert!(!said.contains("hunter2") && !said.contains("secret"), "{uri}: {said}");
            assert!(said.contains("percent-encoded"), "{uri}: {said}");
        }
    }

    #[tokio::test]
    async fn a_server_is_looked_for_ten_seconds_unless_the_uri_says_otherwise() {
        for (uri, expected) in [
            ("mongodb://127.0.0.1:1/", SERVER_SELECTION),
            ("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=30000", Duration::from_secs(30)),
        ] {
            let options = Connection::new(&at(uri), "r").unwrap().options().await.unwrap();
            assert_eq!(options.server_selection_timeout, Some(expected));
        }
        assert_eq!(SERVER_SELECTION, Duration::from_secs(10));
    }
}
