//! Compressed documents, as small as they have to be: one with little in it, and one that swells.

#![allow(unreachable_pub, reason = "a test includes it")]

/// The text, with as many spaces behind it as `spaces` says, a thousandth of that in bytes each.
pub fn swelling(text: &str, spaces: usize) -> Vec<u8> {
    // Two blocks: the text as it is, then one space and copies of it, 258 at a time.
    let mut bits = Bits::default();
    bits.push(0, 3);
    bits.align();
    let length = u16::try_from(text.len()).expect("a short text");
    bits.bytes.extend(length.to_le_bytes());
    bits.bytes.extend((!length).to_le_bytes());
    bits.bytes.extend(text.bytes());
    bits.push(0b011, 3);
    bits.code(0x30 + u32::from(b' '), 8);
    for _ in 0..spaces / RUN {
        bits.code(LONGEST, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    bits.align();

    let plain = text
        .bytes()
        .chain(std::iter::repeat_n(b' ', 1 + spaces / RUN * RUN));
    let (mut crc, mut size) = (u32::MAX, 0_u32);
    for byte in plain {
        crc = (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        });
        size = size.wrapping_add(1);
    }
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let tail = [(!crc).to_le_bytes(), size.to_le_bytes()].concat();
    [&head[..], &bits.bytes, &tail].concat()
}

/// Bytes of which each is filled from its lowest bit.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used % 8 == 0 {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().expect("a byte was begun");
            *last |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A Huffman code, which begins with its highest bit.
    fn code(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.push(value >> bit & 1, 1);
        }
    }

    fn align(&mut self) {
        self.used = 0;
    }
}

/// How much the longest copy is, and its code.
const RUN: usize = 258;
const LONGEST: u32 = 0b1100_0101;
