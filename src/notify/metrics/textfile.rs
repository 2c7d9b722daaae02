//! The metrics as a file for node_exporter's textfile collector, replaced in one step.

use super::super::channel::{Channel, Report};
use super::super::channels::EVERY_RUN;
use super::super::eml::whole_file;
use crate::error::Result;
use crate::model::settings::Rules;
use async_trait::async_trait;
use std::path::{Path, PathBuf};

/// `[metrics] textfile`
pub(in super::super) struct Textfile {
    path: PathBuf,
}

impl Textfile {
    pub(in super::super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

#[async_trait]
impl Channel for Textfile {
    fn name(&self) -> &str {
        "textfile"
    }

    fn rules(&self) -> &Rules {
        &EVERY_RUN
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        whole_file(&self.path, super::text(report)?.as_bytes())
    }
}
