//! PDF by poppler: its pages counted, the first of them drawn. Scripts in it are not run by these tools at all.

use super::visit::Visit;
use super::{Problem, Trouble, damaged};

/// Pixels of a page's longer side, whatever size it claims.
const LONGEST_PAGE: u32 = 8192;

/// What pdfinfo says and may be passed on.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    pages: Option<u64>,
    encrypted: bool,
    javascript: bool,
    /// Points.
    page: Option<(f64, f64)>,
}

impl Facts {
    /// A title may have lines of its own, but stands before what pdfinfo finds out itself: the last line counts.
    fn read(said: &str) -> Self {
        let value = |name: &str| {
            let lines = said.lines().rev();
            lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).next()
        };
        let page = value("Page size").and_then(|text| {
            let mut words = text.split_whitespace();
            let (width, cross, height) = (words.next()?, words.next()?, words.next()?);
            let side = |text: &str| text.parse::<f64>().ok().filter(|side| side.is_finite() && *side > 0.0);
            (cross == "x").then_some((side(width)?, side(height)?))
        });
        let yes = |name| value(name).is_some_and(|text| text.starts_with("yes"));
        Self {
            pages: value("Pages").and_then(|text| text.parse().ok()),
            encrypted: yes("Encrypted"),
            javascript: yes("JavaScript"),
            page,
        }
    }
}

impl Visit<'_> {
    pub(super) async fn document(&mut self) -> Result<(), Trouble> {
        let Some(pdfinfo) = &self.sandbox.tools.pdfinfo else { return Ok(()) };
        let args = vec!["-enc".to_owned(), "UTF-8".to_owned(), self.task.file.display().to_string()];
        let Some(ended) = self.tool(pdfinfo, args, Vec::new()).await? else { return Ok(()) };
        self.tell("kind", "document");
        if ended.complaints.contains("Incorrect password") {
            self.tell("encrypted", true);
            let sentence = "The document can be opened only with its password.";
            self.problem(Problem::new("document_locked", sentence));
            return Ok(());
        }
        let facts = Facts::read(&String::from_utf8_lossy(&ended.said));
        let Some(pages) = facts.pages.filter(|_| ended.well) else {
            self.problem(damaged("document"));
            return Ok(());
        };
        self.tell("pages", pages);
        self.tell("encrypted", facts.encrypted);
        self.tell("javascript", facts.javascript);
        if let Some((width, height)) = facts.page {
            self.tell("page_width_pt", width);
            self.tell("page_height_pt", height);
        }
        if pages > self.sandbox.limits.pages {
            self.problem(Problem::new("too_many_pages", "The document has too many pages for one to be drawn."));
            return Ok(());
        }
        self.first_page().await
    }

    async fn first_page(&mut self) -> Result<(), Trouble> {
        let (Some(pdftoppm), Some(edge)) = (&self.sandbox.tools.pdftoppm, self.longest_edge()) else { return Ok(()) };
        let frame = self.task.out.join("frame.png");
        let mut args: Vec<String> =
            ["-q", "-cropbox", "-f", "1", "-l", "1", "-singlefile", "-png", "-scale-to"].map(str::to_owned).into();
        args.push(edge.min(LONGEST_PAGE).to_string());
        args.push(self.task.file.display().to_string());
        args.push(frame.with_extension("").display().to_string());
        let before = self.report.problems.len();
        let ended = self.tool(pdftoppm, args, vec![frame.clone()]).await;
        let drawn = self.draw(&frame, None, None).await;
        ended?;
        if !drawn? && self.report.problems.len() == before {
            self.problem(damaged("document"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_does_not_decide_what_is_known() {
        let said = "Title:           x\nPages:           9\nJavaScript:      yes\nPages:           2\n\
                    JavaScript:      no\nEncrypted:       yes (print:yes copy:no)\nPage size:       595 x 842 pts (A4)\n";
        let expected = Facts { pages: Some(2), encrypted: true, javascript: false, page: Some((595.0, 842.0)) };
        assert_eq!(Facts::read(said), expected);
        assert_eq!(Facts::read("Page size: inf x 3 pts\nPages: -1"), Facts::default());
    }
}
