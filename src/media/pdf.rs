//! PDF by poppler: page count, and a drawing of the first page. These tools do not run scripts.

use super::inspect::FileInspection;
use super::{MediaError, MediaProblem, damaged_problem};

/// Longest side of a drawn page in pixels, whatever size the page claims.
const MAX_PAGE_EDGE_PIXELS: u32 = 8192;

/// Fields of pdfinfo's output that may be passed on.
#[derive(Debug, Default, PartialEq)]
struct PdfInfo {
    pages: Option<u64>,
    encrypted: bool,
    javascript: bool,
    /// Page size in points.
    page: Option<(f64, f64)>,
}

impl PdfInfo {
    /// Parses pdfinfo's output. A title may contain lines of its own, but precedes the fields of pdfinfo: the last line
    /// of a name counts.
    fn parse(said: &str) -> Self {
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

impl FileInspection<'_> {
    pub(super) async fn inspect_document(&mut self) -> Result<(), MediaError> {
        let Some(pdfinfo) = &self.sandbox.tools.pdfinfo else { return Ok(()) };
        let args = vec!["-enc".to_owned(), "UTF-8".to_owned(), self.task.file.display().to_string()];
        let Some(ended) = self.run_tool(pdfinfo, args, Vec::new()).await? else { return Ok(()) };
        self.set_detail("kind", "document");
        if ended.stderr.contains("Incorrect password") {
            self.set_detail("encrypted", true);
            let sentence = "The document can be opened only with its password.";
            self.add_problem(MediaProblem::new("document_locked", sentence));
            return Ok(());
        }
        let facts = PdfInfo::parse(&String::from_utf8_lossy(&ended.stdout));
        let Some(pages) = facts.pages.filter(|_| ended.succeeded) else {
            self.add_problem(damaged_problem("document"));
            return Ok(());
        };
        self.set_detail("pages", pages);
        self.set_detail("encrypted", facts.encrypted);
        self.set_detail("javascript", facts.javascript);
        if let Some((width, height)) = facts.page {
            self.set_detail("page_width_pt", width);
            self.set_detail("page_height_pt", height);
        }
        if pages > self.sandbox.limits.max_pages {
            self.add_problem(MediaProblem::new(
                "too_many_pages",
                "The document has too many pages for one to be drawn.",
            ));
            return Ok(());
        }
        self.draw_first_page().await
    }

    async fn draw_first_page(&mut self) -> Result<(), MediaError> {
        let (Some(pdftoppm), Some(edge)) = (&self.sandbox.tools.pdftoppm, self.longest_edge()) else { return Ok(()) };
        let frame = self.task.out.join("frame.png");
        let mut args: Vec<String> =
            ["-q", "-cropbox", "-f", "1", "-l", "1", "-singlefile", "-png", "-scale-to"].map(str::to_owned).into();
        args.push(edge.min(MAX_PAGE_EDGE_PIXELS).to_string());
        args.push(self.task.file.display().to_string());
        args.push(frame.with_extension("").display().to_string());
        let before = self.report.problems.len();
        let ended = self.run_tool(pdftoppm, args, vec![frame.clone()]).await;
        let drawn = self.draw_from_frame(&frame, None, None).await;
        ended?;
        if !drawn? && self.report.problems.len() == before {
            self.add_problem(damaged_problem("document"));
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
        let expected = PdfInfo { pages: Some(2), encrypted: true, javascript: false, page: Some((595.0, 842.0)) };
        assert_eq!(PdfInfo::parse(said), expected);
        assert_eq!(PdfInfo::parse("Page size: inf x 3 pts\nPages: -1"), PdfInfo::default());
    }
}
