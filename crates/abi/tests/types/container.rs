//! The smallest file that sections can be in. The fuzzers use it, too.

/// A shared object of 64-bit ELF with these sections.
pub(crate) fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let (mut bodies, mut headers) = (Vec::new(), vec![[0_u64; 10]]);
    let mut all: Vec<(&str, &[u8])> = sections.to_vec();
    all.push((".shstrtab", &[]));
    for (name, body) in &all {
        let start = names.len() as u64;
        names.extend(name.bytes().chain([0]));
        headers.push([start, 1, 0, 0, 64 + bodies.len() as u64, body.len() as u64, 0, 0, 1, 0]);
        bodies.extend_from_slice(body);
    }
    let last = headers.last_mut().expect("there is one");
    (last[1], last[4], last[5]) = (3, 64 + bodies.len() as u64, names.len() as u64);
    bodies.extend_from_slice(&names);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |value: u16| value.to_le_bytes();
    file.extend([half(3), half(62)].concat());
    file.extend(1_u32.to_le_bytes());
    for value in [0, 0, 64 + bodies.len() as u64] {
        file.extend(value.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for value in [64, 0, 0, 64, headers.len() as u16, headers.len() as u16 - 1] {
        file.extend(half(value));
    }
    file.extend(bodies);
    for header in headers {
        file.extend((header[0] as u32).to_le_bytes());
        file.extend((header[1] as u32).to_le_bytes());
        for value in &header[2..6] {
            file.extend(value.to_le_bytes());
        }
        file.extend([0; 8]);
        for value in &header[8..10] {
            file.extend(value.to_le_bytes());
        }
    }
    file
}
