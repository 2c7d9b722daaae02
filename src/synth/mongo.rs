//! The hospital in a MongoDB: the same documents, inserted the first time and replaced by `_id` on an advance.

use super::hospital::{Collection, Hospital};
use super::state::State;
use super::{DATABASE, INDEX, SynthOptions, SynthReport, start_state};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::progress::Progress;
use crate::model::secret::Secret;
use bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, ConnectionString, IndexOptions};
use mongodb::{Client, Database, IndexModel};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Holds the one document that says whose database this is.
const STATE: &str = "synth_state";
/// Documents sent in one command: about 2 MB, far below the server's 48 MB and 100,000.
const BATCH: usize = 1_000;
/// How long to look for a server, unless the connection string says.
const SELECTION: Duration = Duration::from_secs(10);

/// Documents on their way to the server with their size as BSON.
type Batch = (Vec<Document>, u64);

/// Writes or advances the hospital in the database `hospital` of the server at `uri`.
pub async fn write(uri: &Secret, options: &SynthOptions, progress: Arc<dyn Progress>) -> Result<SynthReport> {
    let database = connect(uri).await?;
    let stored = owned(&database).await?;
    let (state, days) = start_state(stored.as_ref(), options)?;
    if state.days == 0 {
        // Made anew, or a first generation that was cut off: nothing half-written may stay.
        for collection in Collection::ALL {
            let dropped = database.collection::<Document>(collection.name()).drop().await;
            dropped.or_error(Kind::Unavailable, format!("drop {}", super::namespace(collection)))?;
        }
    }
    store(&database, &state.towards(days)).await?;

    let (seed, scale, before) = (state.seed, state.scale, state.days);
    let hospital = tokio::task::spawn_blocking(move || Arc::new(Hospital::new(seed, scale, days)))
        .await
        .or_error(Kind::Invariant, "simulate the hospital")?;
    let mut report = SynthReport::new(&hospital, before);
    for collection in Collection::ALL {
        let from = (before > 0).then_some(before);
        let (documents, bytes) = write_collection(&database, &hospital, collection, from, progress.as_ref()).await?;
        report.add(collection, documents, bytes);
    }
    store(&database, &state.at(days)).await?;
    Ok(report)
}

async fn connect(uri: &Secret) -> Result<Database> {
    // The driver's text quotes what it stumbled over: of `reader:se?cret@host` that is half of the password.
    ConnectionString::parse(uri.expose()).map_err(|_| {
        Error::new(Kind::Input, "--out cannot be read as a connection string of MongoDB")
            .hint("special characters in user and password must be percent-encoded; then check the names of options")
    })?;
    let mut options =
        ClientOptions::parse(uri.expose()).await.or_error(Kind::Input, "read the --out connection string")?;
    options.app_name.get_or_insert_with(|| "lakefold synth".into());
    options.server_selection_timeout.get_or_insert(SELECTION);
    let client = Client::with_options(options).or_error(Kind::Input, "read the --out connection string")?;
    Ok(client.database(DATABASE))
}

/// The state of the hospital in `database`; `None` when it has no collections. Anything else is refused.
async fn owned(database: &Database) -> Result<Option<State>> {
    let reading = "list the collections of the database hospital";
    let names = database.list_collection_names().await.or_error(Kind::Unavailable, reading)?;
    let ours = |name: &str| name == STATE || Collection::ALL.iter().any(|collection| collection.name() == name);
    let stored = database.collection::<Document>(STATE).find_one(doc! { "_id": STATE }).await;
    let stored = stored.or_error(Kind::Unavailable, "read hospital.synth_state")?;
    let stranger = names.iter().find(|name| !ours(name) && !name.starts_with("system."));
    match (stored, stranger) {
        (None, None) if names.is_empty() => Ok(None),
        (Some(stored), None) => {
            let text = stored.get_str("state").unwrap_or_default();
            State::parse(text.as_bytes(), "hospital.synth_state").map(Some)
        }
        (_, stranger) => {
            let what = stranger.map_or("hospital".into(), |name| format!("{DATABASE}.{name}"));
            Err(Error::new(Kind::Input, format!("{what} was not written by synth"))
                .hint("synth writes the database hospital; give it a server where that is empty or its own"))
        }
    }
}

/// The state is kept as JSON text: its seed may not fit BSON's signed integers.
async fn store(database: &Database, state: &State) -> Result<()> {
    let document = doc! { "_id": STATE, "state": state.text()? };
    let states = database.collection::<Document>(STATE);
    states
        .replace_one(doc! { "_id": STATE }, document)
        .upsert(true)
        .await
        .map(drop)
        .or_error(Kind::Unavailable, "write hospital.synth_state")
}

/// Writes what `collection` has, or what changed since the day `from`. The hospital is made on a thread of its own; the
/// channel between keeps at most a few batches.
async fn write_collection(
    database: &Database,
    hospital: &Arc<Hospital>,
    collection: Collection,
    from: Option<u32>,
    progress: &dyn Progress,
) -> Result<(u64, u64)> {
    let namespace = super::namespace(collection);
    progress.start(&namespace, None, None);
    create_index(database, collection).await?;
    let (sender, mut receiver) = mpsc::channel::<Batch>(2);
    let making = tokio::task::spawn_blocking({
        let hospital = Arc::clone(hospital);
        move || make(&hospital, collection, from, &sender)
    });
    let (mut documents, mut bytes) = (0, 0);
    while let Some((batch, size)) = receiver.recv().await {
        documents += batch.len() as u64;
        bytes += size;
        progress.read(&namespace, batch.len() as u64, size);
        match from {
            None => insert(database, collection, &batch).await?,
            Some(_) => replace(database, collection, batch).await?,
        }
    }
    making.await.or_error(Kind::Invariant, format!("make {namespace}"))??;
    progress.finish(&namespace, "ok");
    Ok((documents, bytes))
}

fn make(hospital: &Hospital, collection: Collection, from: Option<u32>, sender: &mpsc::Sender<Batch>) -> Result<()> {
    // The receiver is gone only when writing failed, and that error is the one to tell.
    let send = |batch| sender.blocking_send(batch).map_err(|_| Error::new(Kind::Interrupted, "the server refused"));
    let (mut batch, mut size) = (Vec::with_capacity(BATCH), 0);
    hospital.documents(collection, from, &mut |document| {
        size += document.to_vec().or_error(Kind::Invariant, "encode a document")?.len() as u64;
        batch.push(document);
        if batch.len() < BATCH {
            return Ok(());
        }
        send((std::mem::replace(&mut batch, Vec::with_capacity(BATCH)), std::mem::take(&mut size)))
    })?;
    if batch.is_empty() { Ok(()) } else { send((batch, size)) }
}

async fn create_index(database: &Database, collection: Collection) -> Result<()> {
    let options = IndexOptions::builder().name(INDEX.to_owned()).build();
    let index = IndexModel::builder().keys(doc! { "updated_at": 1 }).options(options).build();
    let created = database.collection::<Document>(collection.name()).create_index(index).await;
    created.map(drop).or_error(Kind::Unavailable, format!("index {}", super::namespace(collection)))
}

async fn insert(database: &Database, collection: Collection, batch: &[Document]) -> Result<()> {
    let inserted = database.collection::<Document>(collection.name()).insert_many(batch).ordered(false).await;
    inserted.map(drop).or_error(Kind::Unavailable, format!("insert into {}", super::namespace(collection)))
}

/// One `update` command with an upsert for each document: `Client::bulk_write` needs a server of version 8.
async fn replace(database: &Database, collection: Collection, batch: Vec<Document>) -> Result<()> {
    let writing = || format!("update {}", super::namespace(collection));
    let updates: Vec<Document> = batch
        .into_iter()
        .map(|document| {
            let id = document.get("_id").cloned().unwrap_or(Bson::Null);
            doc! { "q": { "_id": id }, "u": document, "upsert": true }
        })
        .collect();
    let command = doc! { "update": collection.name(), "updates": updates, "ordered": false };
    let reply = database.run_command(command).await.or_error(Kind::Unavailable, writing())?;
    match reply.get_array("writeErrors").map(Vec::len) {
        Ok(count) if count > 0 => {
            Err(Error::new(Kind::Unavailable, format!("the server refused {count} documents")).context(writing()))
        }
        _ => Ok(()),
    }
}
