//! `[catalog]`: who tells Athena of the tables.

use super::document::{Reader, Section, Text};
use super::{choice, duration};
use crate::model::settings::{CatalogMode, CatalogSettings};

/// What a template may hold.
const PLACEHOLDERS: [&str; 2] = ["{env}", "{database}"];

/// Longest name of a crawler or database, in bytes, its placeholders not counted.
const NAME_MAX: usize = 255;

/// Reads the section; `lake` is the lake's URL, empty when it is missing.
pub(super) fn catalog(reader: &mut Reader<'_>, root: &Section<'_>, lake: &str) -> CatalogSettings {
    let known = ["mode", "crawler", "database", "always", "create", "role", "ready_within"];
    let section = reader.section(root, "catalog", &known);
    let mut settings = CatalogSettings::default();
    if !section.exists() {
        return settings;
    }
    reader.require(&section, "mode", "\"crawler\"");
    let words = [("crawler", CatalogMode::Crawler), ("tables", CatalogMode::Tables), ("none", CatalogMode::None)];
    settings.mode = choice(reader, &section, "mode", &words).unwrap_or_default();
    if settings.mode != CatalogMode::None {
        needs_s3(reader, &section, lake);
    }
    if let Some(template) = template(reader, &section, "crawler") {
        settings.crawler = template;
    }
    if let Some(template) = template(reader, &section, "database") {
        settings.database = template;
    }
    settings.always = reader.boolean(&section, "always").unwrap_or(false);
    settings.create = reader.boolean(&section, "create").unwrap_or(false);
    if settings.create && settings.mode == CatalogMode::Crawler {
        reader.require(&section, "role", "\"arn:aws:iam::123456789012:role/crawler\"");
    }
    settings.role = reader.string(&section, "role").map(|role| role.value);
    if let Some(limit) = duration(reader, &section, "ready_within") {
        settings.ready_within = limit;
    }
    settings
}

/// Glue knows tables in S3; other lakes have other catalogs.
fn needs_s3(reader: &mut Reader<'_>, section: &Section<'_>, lake: &str) {
    let elsewhere = !lake.is_empty() && !lake.starts_with("s3://");
    if elsewhere && let Some(mode) = reader.string(section, "mode") {
        reader
            .reject(&mode, format_args!("{} is for lakes in S3", mode.shown()))
            .hint("write `mode = \"none\"`, or put the lake at `s3://bucket/prefix`");
    }
}

/// A name with placeholders.
fn template(reader: &mut Reader<'_>, section: &Section<'_>, key: &str) -> Option<String> {
    let text = reader.string(section, key)?;
    let bare = PLACEHOLDERS.iter().fold(text.value.clone(), |bare, placeholder| bare.replace(placeholder, ""));
    let wrong = |reader: &mut Reader<'_>, text: &Text, what: &str| {
        reader
            .reject(text, format_args!("{} {what}", text.shown()))
            .hint("write a name with `{env}` and `{database}` in it, such as `{env}-{database}`");
    };
    if bare.contains(['{', '}']) {
        wrong(reader, &text, "holds an unknown placeholder");
    } else if bare.contains(|c: char| c.is_control() || c == '\'') || bare.len() > NAME_MAX {
        wrong(reader, &text, "is no name for Glue");
    }
    Some(text.value)
}
