//! Writing numbers, names and lists.

use crate::elf::{Facts, names::Name};

pub(super) struct Output<'a> {
    pub(super) bytes: Vec<u8>,
    facts: &'a Facts,
}

impl<'a> Output<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self { bytes: Vec::new(), facts }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    pub(super) fn name(&mut self, name: Name) {
        self.text(self.facts.get(name));
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| one(self, item));
    }

    pub(super) fn option<T>(&mut self, item: Option<&T>, mut one: impl FnMut(&mut Self, &T)) {
        self.flag(item.is_some());
        if let Some(item) = item {
            one(self, item);
        }
    }
}
