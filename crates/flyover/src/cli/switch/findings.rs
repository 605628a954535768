//! What people read of findings: comments of the document that follows, so that it can be piped on as it is.

use flyover_plan::switch::lint::Finding;

/// Each finding as a comment, what to do under it.
pub(super) fn comments(findings: &[Finding]) -> String {
    findings.iter().map(comment).collect()
}

fn comment(finding: &Finding) -> String {
    let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let mut text = format!("# {:<8} {}: {}\n", finding.level, line(&finding.at), line(&finding.what));
    if let Some(hint) = &finding.hint {
        text += &format!("#          hint: {}\n", line(hint));
    }
    text
}
