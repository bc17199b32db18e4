//! Fetches the needed parts of a large film, step by step, as the child that follows the film's boxes requests them.
//! Number and size of the parts are limited, whatever the film says.

use std::ops::Range;
use std::time::Instant;

use super::decoder_kind::FILM_HEAD_BYTES;
use super::inspect::FileInspection;
use super::protocol::{ChildResponse, ChildTask};
use super::{MediaError, MediaProblem};

/// Largest number of parts that are fetched beside the ends.
const MAX_PARTS: usize = 64;
/// Largest sum of these parts in bytes: an index of 128 MiB, the first pictures, and the boxes before them.
const MAX_PART_BYTES: u64 = 160 << 20;

impl FileInspection<'_> {
    /// Fetches the index and the first pictures of a large film. `false`: nothing more can be inspected.
    pub(super) async fn fetch_film_parts(&mut self) -> Result<bool, MediaError> {
        if self.has_whole_file {
            return Ok(true);
        }
        let Some(source) = self.task.source else {
            // Without a source, the index must be at either end.
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
                Ok(ChildResponse::Unable(error)) => return Err(MediaError::Internal(error.into())),
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
            source.fetch_part(range.clone()).await.map_err(|why| MediaError::Internal(why.into()))?;
            // The time of the store does not count as the decoder's.
            self.deadline += begun.elapsed();
            present.push(range);
        }
        let sentence = "The recording's index is too far spread over the file to be read here.";
        self.add_problem(MediaProblem::new("film_too_large", sentence));
        Ok(false)
    }
}

/// Range that a child requested; `None` if the file does not contain it.
fn checked_range(range: Range<u64>, size: u64) -> Option<Range<u64>> {
    (range.start < range.end && range.end <= size).then_some(range)
}
