//! One log line: what happened, to which collection, in which run.
//!
//! Run and collection stand in spans around the work, so that no line has to bring them and none can lack them. In
//! text the collection comes first and the run last; in JSON both are fields like the event's own.

use crate::run::clock;
use serde_json::{Map, Value, json};
use std::fmt::{self, Write as _};
use std::io;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For people.
    Text {
        /// With the time before it: whoever reads a scheduler's log wants it, a person at a terminal knows it.
        time: bool,
        /// With escapes of colours.
        color: bool,
    },
    /// One JSON object a line.
    Json,
}

/// Writes every event as a line.
pub struct Lines<W> {
    look: Look,
    writer: W,
}

impl<W> Lines<W> {
    /// Lines written to `writer`.
    pub fn new(look: Look, writer: W) -> Self {
        Self { look, writer }
    }
}

/// The fields of spans and an event, in their order; the event's text is `message`.
#[derive(Debug, Clone, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// What is said last of a name counts.
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(plain(&self.0.remove(at).1))
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(around)) = span.extensions().get::<Fields>() {
                around.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        event.record(&mut fields);
        let line = match self.look {
            Look::Json => object(event.metadata(), fields),
            Look::Text { time, color } => text(event.metadata(), fields, time, color),
        };
        // When stderr takes no more there is nobody left to tell.
        let _ = io::Write::write_all(&mut self.writer.make_writer_for(event.metadata()), line.as_bytes());
    }
}

fn now() -> String {
    clock::rfc3339(clock::now().timestamp_millis()).unwrap_or_default()
}

fn object(metadata: &Metadata<'_>, fields: Fields) -> String {
    let mut line = Map::new();
    line.insert("timestamp".into(), json!(now()));
    line.insert("level".into(), json!(metadata.level().as_str()));
    line.insert("target".into(), json!(metadata.target()));
    line.extend(fields.0.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(line).to_string() + "\n"
}

fn text(metadata: &Metadata<'_>, mut fields: Fields, time: bool, color: bool) -> String {
    let (message, collection, run) = (fields.take("message"), fields.take("collection"), fields.take("run"));
    let mut line = String::new();
    if time {
        line += &now();
        line.push(' ');
    }
    let (on, off) = if color { (paint(*metadata.level()), "\u{1b}[0m") } else { ("", "") };
    let _ = write!(line, "{on}{}{off} ", metadata.level());
    if let Some(collection) = collection {
        let _ = write!(line, "{collection}: ");
    }
    line += &message.unwrap_or_default();
    for (name, value) in &fields.0 {
        let _ = write!(line, " {name}={}", plain(value));
    }
    if let Some(run) = run {
        let (on, off) = if color { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
        let _ = write!(line, "{on} run={run}{off}");
    }
    // One line, whatever is in it.
    line.replace('\n', " ") + "\n"
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The escape of a level's colour.
fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::logging::{logged, logged_as};
    use serde_json::Value;

    fn speak() {
        let run = tracing::info_span!("run", run = "20260101T000000Z-aaaaaa");
        let _run = run.enter();
        tracing::info!("before");
        let collection = tracing::info_span!("collection", collection = %"hospital.bills");
        let _collection = collection.enter();
        tracing::warn!(tries = 2, "reading\nagain");
    }

    #[test]
    fn every_line_names_run_and_collection() {
        assert_eq!(
            logged(speak),
            "INFO before run=20260101T000000Z-aaaaaa\n\
             WARN hospital.bills: reading again tries=2 run=20260101T000000Z-aaaaaa\n"
        );
    }

    #[test]
    fn json_has_them_as_fields() {
        let text = logged_as(super::Look::Json, speak);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["run"], lines[0].get("collection")), (&"20260101T000000Z-aaaaaa".into(), None));
        assert_eq!(lines[1]["collection"], "hospital.bills");
        assert_eq!((&lines[1]["tries"], &lines[1]["level"]), (&2.into(), &"WARN".into()));
        assert_eq!(lines[1]["message"], "reading\nagain");
        assert!(lines[1]["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
