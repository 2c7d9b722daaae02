//! Databases of the catalog.

use super::{Answer, Fault, Glue, Refusal, refused, unless_missing, written};
use aws_sdk_glue::types::{Database, DatabaseInput};

/// The parameter that marks a database as lakefold's own; its value is the name in MongoDB.
const MARK: &str = "lakefold.database";

impl Glue {
    /// Whether there is a database of this name.
    pub async fn has_database(&self, name: &str) -> Answer<bool> {
        Ok(self.database(name).await?.is_some())
    }

    async fn database(&self, name: &str) -> Answer<Option<Database>> {
        let answer = self.client.get_database().name(name).send().await.map_err(refused("glue:GetDatabase"));
        Ok(unless_missing(answer)?.and_then(|output| output.database))
    }

    /// Makes sure that there is a database of this name; one that lakefold created follows the lake to a new place.
    /// `source` is its name in MongoDB, `location` the URL of its folder.
    pub async fn keep_database(&self, name: &str, source: &str, location: &str) -> Answer<()> {
        let Some(found) = self.database(name).await? else {
            let call = "glue:CreateDatabase";
            let input = DatabaseInput::builder()
                .name(name)
                .description("Kept by lakefold")
                .location_uri(location)
                .parameters(MARK, source)
                .build()
                .map_err(|e| Refusal::unsayable(call, &e))?;
            let request = self.client.create_database().database_input(input);
            let answer = written(request.send()).await.map_err(refused(call));
            return match answer {
                // Another run was quicker.
                Err(refusal) if refusal.fault == Fault::Exists => Ok(()),
                answer => answer.map(drop),
            };
        };
        let ours = found.parameters().is_some_and(|parameters| parameters.contains_key(MARK));
        if !ours || found.location_uri() == Some(location) {
            return Ok(());
        }
        let call = "glue:UpdateDatabase";
        let input = DatabaseInput::builder()
            .name(name)
            .set_description(found.description)
            .location_uri(location)
            .set_parameters(found.parameters)
            .set_create_table_default_permissions(found.create_table_default_permissions)
            .build()
            .map_err(|e| Refusal::unsayable(call, &e))?;
        let request = self.client.update_database().name(name).database_input(input);
        written(request.send()).await.map_err(refused(call)).map(drop)
    }
}
