//! Extra fields: sizes too large for 32 bits, and second names.

use flate2::Crc;

use super::{u16_at, u32_at, u64_at};
use crate::inspect::fault::FaultCode;

const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

/// What is wrong with extra fields.
pub(super) type Problem = (FaultCode, &'static str);

/// The extra fields that mean something.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra<'a> {
    zip64: Option<&'a [u8]>,
    unicode_path: Option<&'a [u8]>,
}

impl<'a> Extra<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut extra = Self::default();
        let mut rest = bytes;
        // Fewer than four bytes are the padding of tools that align what follows.
        while rest.len() >= 4 {
            let (id, count) = (u16_at(rest, 0), u16_at(rest, 2));
            let end = 4 + usize::from(count);
            let Some(field) = rest.get(4..end) else {
                return Err((
                    FaultCode::ZipMismatch,
                    "an extra field is longer than its room",
                ));
            };
            let known = match id {
                ZIP64 => extra.zip64.replace(field),
                UNICODE_PATH => extra.unicode_path.replace(field),
                _ => None,
            };
            if known.is_some() {
                let code = if id == ZIP64 {
                    FaultCode::Zip64
                } else {
                    FaultCode::Name
                };
                return Err((code, "there are two extra fields of one kind"));
            }
            rest = rest.get(end..).unwrap_or_default();
        }
        Ok(extra)
    }

    /// The real values of fields of which the full ones stand here, in their order.
    pub(super) fn widen<const N: usize>(&self, fields: [u32; N]) -> Result<[u64; N], Problem> {
        let mut values = fields.map(u64::from);
        let Some(field) = self.zip64 else {
            return match fields.contains(&u32::MAX) {
                true => Err((FaultCode::Zip64, "the ZIP64 field is missing")),
                false => Ok(values),
            };
        };
        let full = fields.iter().filter(|it| **it == u32::MAX).count();
        if field.len() == full * 8 {
            let mut at = 0;
            for value in values.iter_mut().filter(|it| **it == u64::from(u32::MAX)) {
                *value = u64_at(field, at);
                at += 8;
            }
            return Ok(values);
        }
        // Some writers give both sizes although they would have room.
        let both = [u64_at(field, 0), u64_at(field, 8)];
        let agrees = |small: &u64, large: &u64| *small == *large || *small == u64::from(u32::MAX);
        let is_known = field.len() >= 16 && field.len() <= 28;
        if is_known
            && values
                .iter()
                .zip(&both)
                .all(|(small, large)| agrees(small, large))
        {
            values
                .iter_mut()
                .zip(both)
                .for_each(|(to, from)| *to = from);
            return match values.get(2) {
                Some(offset) if *offset == u64::from(u32::MAX) && field.len() >= 24 => {
                    if let Some(value) = values.get_mut(2) {
                        *value = u64_at(field, 16);
                    }
                    Ok(values)
                }
                Some(offset) if field.len() >= 24 && u64_at(field, 16) != *offset => Err(differs()),
                _ => Ok(values),
            };
        }
        Err(differs())
    }

    /// A second name some readers take instead must be the same.
    pub(super) fn agrees_with(&self, name: &[u8]) -> Result<(), Problem> {
        let Some(field) = self.unicode_path else {
            return Ok(());
        };
        let mut crc = Crc::new();
        crc.update(name);
        let is_same = field.first() == Some(&1)
            && u32_at(field, 1) == crc.sum()
            && field.get(5..) == Some(name);
        match is_same {
            true => Ok(()),
            false => Err((FaultCode::Name, "an extra field gives another name")),
        }
    }
}

fn differs() -> Problem {
    (
        FaultCode::Zip64,
        "the ZIP64 field and the fields it stands for say different things",
    )
}
