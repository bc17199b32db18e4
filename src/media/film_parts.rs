//! The parts of a large film that are needed: fetched one after the other, as the child that follows its boxes asks for
//! them. Their number and bytes are limited, whatever the film says.

use std::ops::Range;
use std::time::Instant;

use super::decoder_kind::FILM_HEAD_BYTES;
use super::inspect::FileInspection;
use super::protocol::{ChildResponse, ChildTask};
use super::{MediaError, MediaProblem};

/// Parts that are fetched beside the ends.
const MAX_PARTS: usize = 64;
/// Bytes of all of them: an index of 128 MiB, first pictures, and the way there.
const MAX_PART_BYTES: u64 = 160 << 20;

impl FileInspection<'_> {
    /// Brings index and first pictures of a large film. `false`: there is nothing more to see.
    pub(super) async fn fetch_film_parts(&mut self) -> Result<bool, MediaError> {
        if self.has_whole_file {
            return Ok(true);
        }
        let Some(source) = self.task.source else {
            // As far as anybody knows, the index is at one of the ends.
            self.has_boxes = true;
            return Ok(true);
        };
        let (end, size) = (u64::from(FILM_HEAD_BYTES), self.task.size);
        let (mut present, mut fetched) = (vec![0..end.min(size), size.saturating_sub(end)..size], 0);
        for _ in 0..MAX_PARTS {
            let work = ChildTask::FilmIndex { present: present.clone() };
            let Some(ended) = self.run_in_child(self.task.file, Vec::new(), work).await? else { return Ok(false) };
            let range = match serde_json::from_slice(&ended.stdout) {
                Ok(ChildResponse::Missing(range)) => checked_range(range, size),
                Ok(ChildResponse::Found(found)) => {
                    self.has_boxes = found.details.contains_key("boxes");
                    let sound = found.problems.is_empty();
                    found.problems.into_iter().take(1).for_each(|problem| self.add_problem(problem.truncated()));
                    return Ok(sound);
                }
                Ok(ChildResponse::Unable(error)) => return Err(MediaError::Internal(error)),
                Err(_) => None,
            };
            let Some(range) = range else {
                self.add_problem(MediaProblem::decoder_crashed());
                return Ok(false);
            };
            fetched += range.end - range.start;
            if fetched > MAX_PART_BYTES {
                break;
            }
            let begun = Instant::now();
            source.fetch_part(range.clone()).await.map_err(MediaError::Internal)?;
            // The store's time is not the decoder's.
            self.deadline += begun.elapsed();
            present.push(range);
        }
        let sentence = "The recording's index is too far spread over the file to be read here.";
        self.add_problem(MediaProblem::new("film_too_large", sentence));
        Ok(false)
    }
}

/// A range that a child asked for, if the file has it.
fn checked_range(range: Range<u64>, size: u64) -> Option<Range<u64>> {
    (range.start < range.end && range.end <= size).then_some(range)
}
