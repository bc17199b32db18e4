//! CRC arithmetic: the CRC of two runs of bytes out of the CRCs of each, as zlib's `crc32_combine` does it.
//!
//! `crc(a ++ b) = crc(a) · x^(8·|b|) + crc(b)` modulo the polynomial. With the power at hand that is one
//! multiplication, a fraction of a microsecond; `crc_fast::checksum_combine` works the power out each time, which
//! took seconds for an object of 10 000 parts.

/// A CRC's polynomial in the reflected form that all of S3's CRCs use, without its highest term.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrcPolynomial {
    /// Bits: 32 or 64.
    pub(super) width: u32,
    /// The coefficients, lowest power in the highest bit.
    pub(super) reflected: u64,
}

impl CrcPolynomial {
    fn one(self) -> u64 {
        1 << (self.width - 1)
    }

    /// `a · b`.
    pub(super) fn multiply(self, a: u64, mut b: u64) -> u64 {
        let (mut power, mut product) = (self.one(), 0);
        while power != 0 {
            if a & power != 0 {
                product ^= b;
            }
            power >>= 1;
            b = if b & 1 == 1 { (b >> 1) ^ self.reflected } else { b >> 1 };
        }
        product
    }

    /// `x^(8·bytes)`: what so many bytes behind it multiply a CRC with.
    pub(super) fn shift(self, mut bytes: u64) -> u64 {
        let (mut result, mut square) = (self.one(), self.one() >> 8);
        while bytes != 0 {
            if bytes & 1 == 1 {
                result = self.multiply(result, square);
            }
            square = self.multiply(square, square);
            bytes >>= 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_slower_way() {
        use crc_fast::{CrcAlgorithm, checksum_combine};
        let kinds = [
            (CrcAlgorithm::Crc32IsoHdlc, CrcPolynomial { width: 32, reflected: 0xedb8_8320 }),
            (CrcAlgorithm::Crc32Iscsi, CrcPolynomial { width: 32, reflected: 0x82f6_3b78 }),
            (CrcAlgorithm::Crc64Nvme, CrcPolynomial { width: 64, reflected: 0x9a6c_9329_ac4b_c9b5 }),
        ];
        for (algorithm, polynomial) in kinds {
            let mask = u64::MAX >> (64 - polynomial.width);
            for (a, b, bytes) in [(0, 0, 0), (1, 2, 1), (0xdead_beef, 0x1234_5678, 5 << 20), (u64::MAX, 7, 5 << 30)] {
                let (a, b) = (a & mask, b & mask);
                let ours = polynomial.multiply(polynomial.shift(bytes), a) ^ b;
                assert_eq!(ours, checksum_combine(algorithm, a, b, bytes), "{algorithm:?} {bytes}");
            }
        }
    }
}
