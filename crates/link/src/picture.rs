//! A plan as a picture (SVG): what changes at the left, who uses it at the right.

use std::fmt::Write as _;

/// What a card says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Another component takes its place.
    Changed,
    /// It is linked anew.
    Relink,
    /// It would have to be rebuilt.
    Rebuild,
    /// Nobody can tell.
    Unknown,
    /// It keeps what it has.
    Kept,
}

impl Tone {
    /// Fill and border, as they are told apart by people who see few colours, too.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Changed => ("#dbe9f6", "#2166ac"),
            Self::Relink => ("#dff0d8", "#3c763d"),
            Self::Rebuild => ("#f8d7da", "#a50026"),
            Self::Unknown => ("#fff3cd", "#b58900"),
            Self::Kept => ("#eeeeee", "#555555"),
        }
    }
}

/// A package in the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub text: String,
    /// How it is painted.
    pub tone: Tone,
}

/// Two columns of cards with lines between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// What changes.
    pub providers: Vec<Card>,
    /// Who uses it.
    pub consumers: Vec<Card>,
    /// Index of a provider, and of a consumer that uses it.
    pub uses: Vec<(usize, usize)>,
}

/// All lengths are in pixels.
const LETTER: f64 = 7.6;
const HEIGHT: f64 = 38.0;
const STEP: f64 = 46.0;
const MARGIN: f64 = 20.0;
const TOP: f64 = 50.0;
const BETWEEN: f64 = 160.0;

impl Picture {
    /// The picture as an SVG document.
    pub fn to_svg(&self) -> String {
        let (left, right) = (width(&self.providers), width(&self.consumers));
        let at_right = MARGIN + left + BETWEEN;
        let full = at_right + right + MARGIN;
        let rows = self.providers.len().max(self.consumers.len()).max(1);
        let height = TOP + rows as f64 * STEP + MARGIN;
        // The shorter column stands in the middle of the longer one.
        let first = |cards: &[Card]| TOP + (rows - cards.len()) as f64 * STEP / 2.0;
        let (left_top, right_top) = (first(&self.providers), first(&self.consumers));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {full:.0} {height:.0}\" width=\"{full:.0}\" \
             height=\"{height:.0}\" font-family=\"monospace\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{MARGIN}\" y=\"28\" font-size=\"16\">{}</text>\n",
            escaped(&self.title),
        );
        for &(provider, consumer) in &self.uses {
            let (x1, x2) = (MARGIN + left, at_right);
            let y1 = left_top + provider as f64 * STEP + HEIGHT / 2.0;
            let y2 = right_top + consumer as f64 * STEP + HEIGHT / 2.0;
            let (bend1, bend2) = (x1 + BETWEEN / 2.0, x2 - BETWEEN / 2.0);
            let (_, colour) = self.consumers[consumer].tone.colours();
            let _ = writeln!(
                svg,
                "<path d=\"M{x1:.1} {y1:.1} C{bend1:.1} {y1:.1} {bend2:.1} {y2:.1} {x2:.1} {y2:.1}\" fill=\"none\" \
                 stroke=\"{colour}\" stroke-opacity=\"0.6\"/>"
            );
        }
        for (cards, x, top, wide) in
            [(&self.providers, MARGIN, left_top, left), (&self.consumers, at_right, right_top, right)]
        {
            for (row, card) in cards.iter().enumerate() {
                draw(&mut svg, card, (x, top + row as f64 * STEP), wide);
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn width(cards: &[Card]) -> f64 {
    let letters = cards.iter().map(|card| card.name.chars().count().max(card.text.chars().count())).max().unwrap_or(0);
    letters as f64 * LETTER + 16.0
}

fn draw(svg: &mut String, card: &Card, (x, y): (f64, f64), width: f64) {
    let (fill, border) = card.tone.colours();
    let (name, text, inside) = (escaped(&card.name), escaped(&card.text), x + 8.0);
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"{fill}\" stroke=\"{border}\"/>\
         <text x=\"{inside:.1}\" y=\"{:.1}\" font-weight=\"bold\">{name}</text>\
         <text x=\"{inside:.1}\" y=\"{:.1}\">{text}</text>",
        y + 15.0,
        y + 30.0,
    );
}

/// As text of an XML document, which has no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_picture_is_drawn_and_nothing_is_taken_for_markup() {
        let card = |name: &str, tone| Card { name: name.to_owned(), text: "a < b & \u{7}c".to_owned(), tone };
        let picture = Picture {
            title: "main".to_owned(),
            providers: vec![card("libssl3", Tone::Changed)],
            consumers: vec![card("curl", Tone::Relink), card("git", Tone::Rebuild), card("<x>", Tone::Kept)],
            uses: vec![(0, 0), (0, 1), (0, 2)],
        };
        let svg = picture.to_svg();
        assert_eq!((svg.matches("<path").count(), svg.matches("<rect").count()), (3, 5));
        assert!(svg.contains("a &lt; b &amp;  c") && svg.contains("&lt;x&gt;") && !svg.contains("<x>"), "{svg}");
        assert!(Picture::default().to_svg().ends_with("</svg>\n"));
    }
}
