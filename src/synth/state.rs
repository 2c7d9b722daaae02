//! What a synthetic hospital remembers about itself: which one it is, and how far it has come.

use crate::error::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};

/// The version of [`State`] and of the hospital behind it: documents of another version cannot be continued.
const FORMAT: u32 = 1;

/// The content of `synth.json`, and of the one document of `hospital.synth_state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// See [`FORMAT`].
    pub format: u32,
    /// Chooses the hospital.
    pub seed: u64,
    /// Its size.
    pub scale: f64,
    /// Days simulated and completely written.
    pub days: u32,
    /// Days being written: set before the first document changes, gone when all have. `days` is 0 in a first generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<u32>,
}

impl State {
    /// A new hospital of which nothing is written yet.
    pub fn new(seed: u64, scale: f64) -> Self {
        Self { format: FORMAT, seed, scale, days: 0, writing: None }
    }

    /// The same hospital while it is written up to `days`.
    pub fn towards(&self, days: u32) -> Self {
        Self { writing: Some(days), ..self.clone() }
    }

    /// The same hospital, written up to `days`.
    pub fn at(&self, days: u32) -> Self {
        Self { days, writing: None, ..self.clone() }
    }

    /// Reads the JSON text; `place` names it in errors.
    pub fn parse(text: &[u8], place: &str) -> Result<Self> {
        let state: Self = serde_json::from_slice(text).or_error(Kind::Input, format!("read {place}"))?;
        if state.format != FORMAT {
            return Err(Error::new(Kind::Input, format!("{place} has format {}, not {FORMAT}", state.format))
                .hint("use the lakefold that wrote it, or choose another --out"));
        }
        Ok(state)
    }

    /// The JSON text.
    pub fn text(&self) -> Result<String> {
        serde_json::to_string_pretty(self).or_error(Kind::Invariant, "write the state of the synthetic hospital")
    }
}
