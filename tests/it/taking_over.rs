//! Going on from the watermark of another job, and ways out of state that is damaged.

use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace, next_second};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{DateTime, Document, doc};

fn at(text: &str) -> DateTime {
    DateTime::parse_rfc3339_str(text).expect("a time")
}

async fn place(database: &str) -> Workplace {
    let bill = |id: i32, day: u32| doc! { "_id": id, "updated_at": at(&format!("2024-05-{day:02}T10:00:00Z")) };
    let documents: Vec<Document> = (1..=4).map(|id| bill(id, 17 + id as u32)).collect();
    let server = Mongod::shared();
    server.client().await.database(database).collection("bills").insert_many(documents).await.expect("insert");
    let manifest = format!("database,collection,timestamp_column\n{database},bills,updated_at\n");
    Workplace::with(&Environment::of(server.uri()), &manifest)
}

fn ids(place: &Workplace, database: &str) -> Vec<i64> {
    let table = read_table(&place.lake(), &format!("{database}/bills"));
    let mut ids: Vec<i64> = table.rows.iter().map(|row| row.columns["_id"].as_i64().expect("a number")).collect();
    ids.sort_unstable();
    ids
}

/// `docs/taking-over.md` shows this file.
const OLDER: &str = "written_at,run_id,mode,window_from,watermark,operation_time,rows_read,rows_inserted,rows_updated,outcome\n\
     2024-05-20T04:05:10.000Z,glue-jr_5d1c,incremental,2024-05-19T04:00:00.000Z,2024-05-20T04:00:00.000Z,,1200,800,400,ok\n";

#[tokio::test]
async fn lakefold_goes_on_from_the_watermark_of_an_older_job() {
    let page = include_str!("../../docs/taking-over.md");
    for line in OLDER.lines() {
        assert!(page.contains(line), "the page shows another file than the one tried here: {line}");
    }
    let database = fresh_database("taken");
    let place = place(&database).await;
    let file = format!("lake/_lakefold/watermarks/{database}/bills.csv");
    place.write(&file, OLDER);
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0]["window_from"], "2024-05-20T04:00:00.000Z");
    assert_eq!(ids(&place, &database), [3, 4], "what the source held before stays in the old table");
    let text = std::fs::read_to_string(place.path().join(&file)).expect("the file");
    assert!(text.starts_with("written_at,") && text.contains(",format,settings,collection\n"), "{text}");
    assert!(text.contains("glue-jr_5d1c") && text.lines().count() == 3, "the older job's line stays:\n{text}");
    place.run(&["--full"], 0);
    assert_eq!(ids(&place, &database), [1, 2, 3, 4]);
    place.run(&[], 0);
}

#[tokio::test]
async fn a_damaged_watermark_gives_way_to_the_command_that_is_printed() {
    let database = fresh_database("damaged");
    let place = place(&database).await;
    place.run(&[], 0);
    let file = place.path().join(format!("lake/_lakefold/watermarks/{database}/bills.csv"));
    let whole = std::fs::read_to_string(&file).expect("the file");
    std::fs::write(&file, whole.replace(",ok,", ",fine,")).expect("damage it");

    next_second();
    let record = place.run(&[], 1);
    let reason = record["collections"][0]["reason"].as_str().expect("a reason");
    let command = format!("lakefold run --env test --collection {database}.bills --full");
    assert!(reason.contains("is damaged") && reason.lines().any(|line| line.trim() == command), "{reason}");
    assert_eq!(ids(&place, &database).len(), 4);
    let status = place.lakefold(&["status", "--env", "test"]);
    assert_eq!(status.code, 0, "{status}");
    assert!(status.stdout.contains("bills.csv") && status.stdout.contains(&command), "{status}");

    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let ended = place.lakefold(&words);
    assert_eq!(ended.code, 0, "{ended}");
    place.run(&[], 0);
    assert_eq!(ids(&place, &database).len(), 4);
}

/// The index is a cache. A run builds it anew, and still finds the old place of a document that moves.
#[tokio::test]
async fn a_damaged_index_is_built_anew() {
    let database = fresh_database("cached");
    let place = place(&database).await;
    let manifest =
        format!("database,collection,timestamp_column,partition_by\n{database},bills,updated_at,day=day(updated_at)\n");
    place.write("collections.csv", manifest);
    place.run(&[], 0);
    let folder = place.path().join(format!("lake/_lakefold/index/{database}/bills"));
    let head = folder.join("head.json.zst");
    let whole = std::fs::read(&head).expect("the head");
    let half_a_head = || std::fs::write(&head, &whole[..whole.len() / 2]).expect("damage it");
    let no_head = || std::fs::write(&head, b"{}").expect("damage it");
    // The one bucket of so small a table, of the generation that is there.
    let bucket = || {
        let generations = std::fs::read_dir(&folder).expect("list").map(|entry| entry.expect("an entry").path());
        generations.filter(|path| path.is_dir()).max().expect("a generation").join("0000.parquet")
    };
    let half_a_bucket = || std::fs::write(bucket(), b"PAR1").expect("damage it");
    let no_bucket = || std::fs::remove_file(bucket()).expect("lose it");
    let damages: [&dyn Fn(); 4] = [&half_a_head, &no_head, &half_a_bucket, &no_bucket];
    for (day, damage) in (28..).zip(damages) {
        next_second();
        damage();
        let bills = Mongod::shared().client().await.database(&database).collection::<Document>("bills");
        let moved = doc! { "$set": { "updated_at": at(&format!("2099-05-{day}T10:00:00Z")) } };
        bills.update_one(doc! { "_id": 2 }, moved).await.expect("move it");
        let record = place.run(&[], 0);
        assert_eq!(record["collections"][0]["rows"]["moved"], 1, "{record:#}");
        assert_eq!(ids(&place, &database), [1, 2, 3, 4], "each in one place");
        assert!(zstd::decode_all(std::fs::File::open(&head).expect("a head")).is_ok(), "it was not built anew");
    }
}

/// A file that was restored behind the index holds rows that have moved since. It is noticed when the next one leaves it,
/// which is the last moment: the file is written anew then.
#[tokio::test]
async fn a_file_that_was_restored_is_noticed_when_a_row_leaves_it() {
    let database = fresh_database("restored");
    let place = place(&database).await;
    let manifest =
        format!("database,collection,timestamp_column,partition_by\n{database},bills,updated_at,day=day(updated_at)\n");
    place.write("collections.csv", manifest);
    let bills = Mongod::shared().client().await.database(&database).collection::<Document>("bills");
    bills.insert_one(doc! { "_id": 5, "updated_at": at("2024-05-19T11:00:00Z") }).await.expect("insert");
    place.run(&[], 0);
    let moves = async |id: i32, day: i32| {
        let to = doc! { "$set": { "updated_at": at(&format!("2099-05-{day}T10:00:00Z")) } };
        bills.update_one(doc! { "_id": id }, to).await.expect("move it");
        place.run(&[], 0);
    };
    let file = place.path().join(format!("lake/{database}/bills/day=2024-05-19/data.parquet"));
    let before = std::fs::read(&file).expect("the file of two rows");
    moves(2, 28).await;
    std::fs::write(&file, before).expect("restore it");
    moves(5, 29).await;
    assert_eq!(ids(&place, &database), [1, 2, 3, 4, 5], "each in one place");
}
