//! The mail's folder, where mails are written as files.

use super::tried;
use crate::error::{Kind, Result, ResultExt};
use crate::model::finding::{Finding, Probe};
use crate::model::settings::{MailSettings, MailTransport};
use async_trait::async_trait;

/// The folder of `transport = "file"`; finds nothing where mails go another way.
pub struct Folder(pub MailSettings);

#[async_trait]
impl Probe for Folder {
    async fn probe(&self) -> Vec<Finding> {
        if self.0.transport != MailTransport::File {
            return Vec::new();
        }
        let dir = self.0.dir.clone();
        let written = tokio::task::spawn_blocking(move || {
            let doing = || format!("write into [mail] dir {}", dir.display());
            std::fs::create_dir_all(&dir).or_error(Kind::Notify, doing())?;
            // Removed again when it is dropped.
            tempfile::NamedTempFile::new_in(&dir).or_error(Kind::Notify, doing()).map(drop)
        });
        let written: Result<()> = written.await.or_error(Kind::Invariant, "try the folder of mails").flatten();
        let says = format!("files can be written into {}", self.0.dir.display());
        vec![tried("mail", "folder", &says, written)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Mark;

    #[tokio::test]
    async fn a_folder_that_takes_no_files_fails() {
        let folder = tempfile::tempdir().unwrap();
        let settings = |dir: &str| MailSettings {
            transport: MailTransport::File,
            dir: folder.path().join(dir),
            ..MailSettings::default()
        };
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(Folder(settings("mail")).probe().await[0].mark, Mark::Ok);
        assert_eq!(std::fs::read_dir(folder.path().join("mail")).unwrap().count(), 0);
        let failed = Folder(settings("file")).probe().await.remove(0);
        assert_eq!(failed.mark, Mark::Failed, "{failed:?}");
    }
}
