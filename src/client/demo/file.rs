//! Files of the demo: made from their number, so that every run makes the same. Pure.

/// Width and height of a picture, in pixels.
const PICTURE_SIDE: u32 = 256;
/// Length of a BMP header: file header and BITMAPINFOHEADER.
const BMP_HEADER_BYTES: u32 = 54;
/// Most bytes of a file of noise.
const MAX_NOISE_BYTES: u64 = 900 << 10;

/// Names without number and suffix, as people give them.
const NAMES: [&str; 12] = [
    "quarterly-report",
    "site-plan",
    "invoice",
    "interview",
    "measurements",
    "contract-signed",
    "backup",
    "survey",
    "press-kit",
    "minutes",
    "floor-plan",
    "inventory",
];

/// A file with its name and type.
pub(super) struct DemoFile {
    pub(super) name: String,
    pub(super) content_type: &'static str,
    pub(super) content: Vec<u8>,
}

impl DemoFile {
    /// The file with this number: text, a table, a picture, or noise, in turn.
    pub(super) fn number(number: u32) -> Self {
        let stem = NAMES[number as usize % NAMES.len()];
        let (suffix, content_type, content) = match number % 5 {
            0 => ("txt", "text/plain", lines(number, "Nothing of note happened.").into_bytes()),
            1 => ("csv", "text/csv", table(number).into_bytes()),
            2 | 3 => ("bmp", "image/bmp", picture(number)),
            _ => ("bin", "application/octet-stream", Self::noise(noise_bytes(number))),
        };
        Self { name: format!("{stem}-{number:04}.{suffix}"), content_type, content }
    }

    /// Text with the name of a picture, and with markup in its name: pages must show it as text.
    pub(super) fn not_a_picture() -> Self {
        let name = "<img src=x onerror=alert(1)>holiday.png".to_owned();
        Self { name, content_type: "image/png", content: lines(7, "This is no picture.").into_bytes() }
    }

    /// A file that does not arrive as it was declared.
    pub(super) fn damaged() -> Self {
        Self { name: "ledger-2026.csv".to_owned(), content_type: "text/csv", content: table(99).into_bytes() }
    }

    /// Bytes without meaning.
    pub(super) fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..length).map(|_| next()).collect()
    }
}

fn noise_bytes(number: u32) -> usize {
    let spread = u64::from(number).wrapping_mul(2_654_435_761) % MAX_NOISE_BYTES;
    usize::try_from(spread + 1).unwrap_or(1)
}

fn lines(number: u32, sentence: &str) -> String {
    (0..20 + number % 400).map(|line| format!("{line:>4}  {sentence}\n")).collect()
}

fn table(number: u32) -> String {
    let rows = (0..40 + number % 900).map(|row| format!("{row},{},{}\n", row * number % 977, row % 7));
    std::iter::once("row,value,class\n".to_owned()).chain(rows).collect()
}

/// A gradient as BMP: 24 bits a pixel, from the lowest row up.
fn picture(number: u32) -> Vec<u8> {
    let pixels = PICTURE_SIDE * PICTURE_SIDE * 3;
    let mut bmp = Vec::with_capacity((BMP_HEADER_BYTES + pixels) as usize);
    bmp.extend(b"BM");
    for field in [BMP_HEADER_BYTES + pixels, 0, BMP_HEADER_BYTES, 40, PICTURE_SIDE, PICTURE_SIDE, 1 | (24 << 16), 0] {
        bmp.extend(field.to_le_bytes());
    }
    for field in [pixels, 2835, 2835, 0, 0] {
        bmp.extend(field.to_le_bytes());
    }
    let shade = |value: u32| (value % 256).to_le_bytes()[0];
    for y in 0..PICTURE_SIDE {
        for x in 0..PICTURE_SIDE {
            bmp.extend([shade(x + number * 37), shade(y), shade((x + y) / 2 + number * 11)]);
        }
    }
    bmp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_makes_the_same_file_every_time() {
        for number in 0..20 {
            let (one, other) = (DemoFile::number(number), DemoFile::number(number));
            assert_eq!((&one.name, &one.content), (&other.name, &other.content));
            assert!(!one.content.is_empty(), "{}", one.name);
        }
    }

    #[test]
    fn a_picture_can_be_decoded() {
        let picture = image::load_from_memory(&picture(3)).unwrap();
        assert_eq!((picture.width(), picture.height()), (PICTURE_SIDE, PICTURE_SIDE));
    }
}
