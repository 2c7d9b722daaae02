//! The keys of `[mail]` that belong to `transport = "ses"`.

use super::document::{Reader, Section};
use crate::model::settings::{MailTransport, SesSettings};
use bytesize::ByteSize;

/// Names of the keys.
pub(super) const KEYS: [&str; 2] = ["configuration_set", "max_size"];

/// What SES takes at most, base64 and all.
const MAX_SIZE: u64 = 40 << 20;

/// Reads them; none for another transport.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>, transport: MailTransport) -> Option<SesSettings> {
    if transport != MailTransport::Ses {
        for key in KEYS.into_iter().filter(|_| transport != MailTransport::None) {
            reader.refuse(section, key, "is a key of `transport = \"ses\"`");
        }
        return None;
    }
    let defaults = SesSettings::default();
    let size = reader.string(section, "max_size").and_then(|text| match text.value.trim().parse() {
        Ok(ByteSize(size)) if (1..=MAX_SIZE).contains(&size) => Some(size),
        _ => {
            let message = format!("{} is no size that SES takes", text.shown());
            reader.reject(&text, message).hint("write `10MiB`; the most is `40MiB`");
            None
        }
    });
    Some(SesSettings {
        configuration_set: reader.string(section, "configuration_set").map(|name| name.value),
        max_size: size.unwrap_or(defaults.max_size),
    })
}
