//! Keeps documents that could not be read, byte for byte, with the reason beside each.

use crate::error::{Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, layout};
use crate::model::batch::Quarantined;
use crate::model::collection::Namespace;

/// Writes `quarantine/<database>/<collection>/<run_id>.bson` (the bytes) and `.jsonl` (offset, length and reason).
pub async fn store(lake: &Lake, ns: &Namespace, run_id: &str, quarantined: &[Quarantined]) -> Result<()> {
    if quarantined.is_empty() {
        return Ok(());
    }
    let (mut bytes, mut reasons) = (Vec::new(), Vec::new());
    for document in quarantined {
        let line = serde_json::json!({
            "offset": bytes.len(), "length": document.document.len(), "reason": document.reason,
        });
        serde_json::to_writer(&mut reasons, &line).or_error(Kind::Invariant, "write the quarantine")?;
        reasons.push(b'\n');
        bytes.extend_from_slice(&document.document);
    }
    reach(KillPoint::BeforeQuarantine);
    lake.put(&layout::quarantine_key(ns, run_id, "bson"), bytes.into(), Expect::Any).await?;
    reach(KillPoint::MidQuarantine);
    lake.put(&layout::quarantine_key(ns, run_id, "jsonl"), reasons.into(), Expect::Any).await?;
    reach(KillPoint::AfterQuarantine);
    Ok(())
}
