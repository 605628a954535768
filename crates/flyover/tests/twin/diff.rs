//! Says how what came out of two labs differs, so that a person can see which byte.

use crate::site::Eye;

/// What came to each device, in two labs; none if nothing differs.
pub(crate) fn diff(plain: &[Vec<Vec<u8>>], fast: &[Vec<Vec<u8>>]) -> Option<String> {
    let mut text = String::new();
    for (i, (plain, fast)) in plain.iter().zip(fast).enumerate() {
        // Packets of one flow may overtake each other where one is slow: what arrives counts, not when.
        let (mut plain, mut fast) = (plain.clone(), fast.clone());
        remove_common(&mut plain, &mut fast);
        if plain.is_empty() && fast.is_empty() {
            continue;
        }
        let place = Eye::ALL.get(i).map_or("refused".to_owned(), |eye| format!("at {eye:?}"));
        text += &format!("{place}: {} only without the bypass, {} only with it\n", plain.len(), fast.len());
        for (name, frames) in [("without", &plain), ("with", &fast)] {
            for frame in frames {
                text += &format!("  {name} ({} bytes): {}\n", frame.len(), hex(frame));
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

fn remove_common(a: &mut Vec<Vec<u8>>, b: &mut Vec<Vec<u8>>) {
    a.retain(|frame| match b.iter().position(|other| other == frame) {
        Some(at) => {
            b.remove(at);
            false
        }
        None => true,
    });
}

/// The headers, word by word from the network header on.
fn hex(frame: &[u8]) -> String {
    let shown = &frame[..frame.len().min(160)];
    let (eth, rest) = shown.split_at(shown.len().min(14));
    let words: Vec<_> = rest.chunks(4).map(digits).collect();
    format!("{} | {}", digits(eth), words.join(" "))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
