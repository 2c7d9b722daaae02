//! The page of a dashboard: one file with everything in it, no network.

use super::template::render;
use crate::error::{Kind, Result, ResultExt};
use crate::model::dashboard::Dashboard;
use minijinja::context;

/// Chart.js, <https://www.chartjs.org>, MIT; its header says which version.
const CHART_JS: &str = include_str!("templates/dashboard/chart.umd.min.js");

/// Renders the page.
///
/// # Errors
/// `Kind::Notify` when the template does not render.
pub fn dashboard(dashboard: &Dashboard) -> Result<String> {
    // Within a script, `</script` and `<!--` would end it or begin a comment whatever they stand in.
    let data = serde_json::to_string(dashboard).or_error(Kind::Notify, "write the charts")?.replace('<', "\\u003c");
    let values = context! {
        environment => dashboard.environment,
        data,
        chart_js => CHART_JS,
        script => include_str!("templates/dashboard/page.js"),
        style => include_str!("templates/dashboard/page.css"),
    };
    render("dashboard.html", include_str!("templates/dashboard/page.html"), values)
}
