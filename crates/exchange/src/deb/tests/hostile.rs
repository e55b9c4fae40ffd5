//! Archives that want something: each gets an error that says what is wrong where, and leaves nothing.

use aleph_component::Digest;

use super::{
    Bench,
    build::{CONTROL, Tar, ar, control, deb, gz, with_data, xz, zst},
    chain,
};
use crate::deb::{Expected, Limits};

fn check_limited(archive: &[u8], limits: &Limits, expected: &str) {
    let bench = Bench::new();
    let error = bench.import(archive, None, limits).expect_err(expected);
    let text = chain(&error);
    assert!(text.contains("x.deb` is not imported") && text.contains(expected), "wanted {expected:?}, got: {text}");
    bench.check_nothing_left();
}

fn check(archive: &[u8], expected: &str) {
    check_limited(archive, &Limits::default(), expected);
}

fn check_data(data: Tar, expected: &str) {
    check(&with_data(data), expected);
}

#[test]
fn names_that_leave_the_tree() {
    check_data(Tar::default().file("../x", "x"), "`../x` leaves");
    check_data(Tar::default().file("./usr/../../x", "x"), "`usr/../../x` leaves");
    check_data(Tar::default().file("/etc/x", "x"), "`/etc/x` is absolute");
    check_data(Tar::default().file(".//etc/x", "x"), "`/etc/x` is absolute");
    check_data(Tar::default().directory("./usr//x/"), "`usr//x` leaves");
    check_data(Tar::default().long(b'L', b"./../../y").file("./x", "x"), "`../../y` leaves");
    check_data(Tar::default().symlink("..", "x"), "`..` leaves");
    check_data(Tar::default().symlink("./", "x"), "whose name is wrong");
    check_data(Tar::default().file("", "x"), "the path is empty");
}

#[test]
fn names_that_are_not_ours_to_give() {
    check_data(Tar::default().file("./.aleph/manifest", "{}"), "`.aleph/manifest`, a name that is kept for the store");
    check_data(Tar::default().symlink("./.aleph", "/"), "`.aleph`, a name that is kept for the store");
    check_data(Tar::default().directory("./.link/"), "`.link`, a name that is kept for the store");
    check_data(Tar::default().file("./a\nb", "x"), "control character");
    check_data(Tar::default().file("./a\u{7f}", "x"), "control character");
    check_data(Tar::default().raw(b"./a\xff", b"", |_| (), b"x"), "not UTF-8");
    check_data(Tar::default().raw(b"./a", b"\xff", |h| h.set_entry_type(tar::EntryType::Symlink), b""), "not UTF-8");
    check_data(Tar::default().long(b'L', &[b'a'; 300]).file("./x", "x"), "longer than the kernel allows");
    check_data(Tar::default().long(b'L', &[b'a'; 5000]).file("./x", "x"), "@LongLink`, whose size");
}

#[test]
fn links_that_lead_out() {
    let escape = Tar::default().symlink("./usr", "/tmp").file("./usr/x", "x");
    check_data(escape, "`usr/x` lies below `usr`");
    let escape = Tar::default().symlink("./a", "..").directory("./a/b/");
    check_data(escape, "`a/b` lies below `a`");
    let replaced = Tar::default().directory("./a/").symlink("./a", "..");
    check_data(replaced, "`a` occurs twice");
    check_data(Tar::default().hard_link("./x", "../../etc/passwd"), "`../../etc/passwd` leaves");
    check_data(Tar::default().hard_link("./x", "/etc/passwd"), "`/etc/passwd` is absolute");
    check_data(Tar::default().hard_link("./x", "./y"), "`x` is a hard link to `y`");
    check_data(Tar::default().symlink("./y", "/etc/passwd").hard_link("./x", "./y"), "`x` is a hard link to `y`");
    check_data(Tar::default().directory("./y/").hard_link("./x", "./y"), "`x` is a hard link to `y`");
    check_data(Tar::default().hard_link("./x", "./"), "`./x`, whose target is wrong");
    check_data(Tar::default().symlink("./x", ""), "`./x`, whose target is wrong");
    check_data(Tar::default().symlink("./x", "a\nb"), "`./x`, whose target is wrong");
}

#[test]
fn things_that_are_no_files() {
    for (kind, expected) in [
        (b'3', "the device node `./dev/x`"),
        (b'4', "the device node `./dev/x`"),
        (b'6', "the named pipe `./dev/x`"),
        (b'S', "the sparse file `./dev/x`"),
        (b'x', "a pax header, which dpkg does not read, `./dev/x`"),
        (b'g', "a pax header, which dpkg does not read, `./dev/x`"),
        (b'D', "an entry of unknown kind, `./dev/x`"),
        (b'Z', "an entry of unknown kind, `./dev/x`"),
    ] {
        check_data(Tar::default().kind(kind, "./dev/x", ""), expected);
    }
}

#[test]
fn names_that_occur_twice() {
    check_data(Tar::default().file("./a", "1").file("./a", "2"), "`a` occurs twice");
    check_data(Tar::default().file("./a", "1").symlink("./a", "2"), "`a` occurs twice");
    check_data(Tar::default().file("./a", "1").file("./a/b", "2"), "`a/b` lies below `a`");
    check_data(Tar::default().directory("./a/").file("./a", "2"), "`a` occurs twice");
    check(&deb(&control(CONTROL, &[("postinst", "1"), ("postinst", "2")]), &Tar::default().end()), "occurs twice");
    let doubled = Tar::default().long(b'L', b"./a").long(b'L', b"./b").file("./x", "x");
    check_data(doubled, "@LongLink`, whose number is wrong");
    check_data(Tar::default().long(b'L', b"./a"), "@LongLink`, whose successor is wrong");
}

#[test]
fn members_out_of_order_or_number() {
    let (c, d) = (control(CONTROL, &[]), Tar::default().end());
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let [c, d]: [(&str, &[u8]); 2] = [("control.tar", &c), ("data.tar", &d)];
    check(b"", "does not begin");
    check(b"!<arch>\n", "no `debian-binary`");
    check(&ar(&[version]), "no `control.tar`");
    check(&ar(&[version, c]), "no `data.tar`");
    check(&ar(&[version, d, c]), "`data.tar` is where `control.tar` should be");
    check(&ar(&[version, c, c, d]), "`control.tar` is where `data.tar` should be");
    check(&ar(&[version, c, d, d]), "`data.tar` comes after `data.tar`");
    check(&ar(&[version, c, ("extra", b""), d]), "`extra` is where `data.tar` should be");
    check(&ar(&[version, c, d, ("extra", b"")]), "`extra` comes after `data.tar`");
    check(&ar(&[c, d, version]), "`control.tar` is where `debian-binary` should be");
    check(&ar(&[("debian-binary", b"3.0\n"), c, d]), "version \"3.0\"");
    check(&ar(&[("debian-binary", b"2.0"), c, d]), "version \"2.0\"");
    check(&ar(&[("debian-binary", &[b'2'; 2000]), c, d]), "`debian-binary` is too long");
    check(&ar(&[version, ("control.tar.bz2", b""), d]), "has given up");
    check(&ar(&[version, c, ("data.tar.lz4", b"")]), "packed in an unknown way");
    check(&ar(&[version, c, ("a-name-longer-than-sixteen", b"")]), "its name is");
}

#[test]
fn every_truncation() {
    let data = Tar::default().file("./usr/bin/abc", "abc").end();
    let plain = deb(&control(CONTROL, &[]), &data);
    let packed = |suffix: &str, pack: fn(&[u8]) -> Vec<u8>| {
        ar(&[
            ("debian-binary", b"2.0\n"),
            (&format!("control.tar{suffix}"), &pack(&control(CONTROL, &[]))),
            (&format!("data.tar{suffix}"), &pack(&data)),
        ])
    };
    let bench = Bench::new();
    for archive in [plain, packed(".gz", gz), packed(".xz", xz), packed(".zst", zst)] {
        let whole = archive.strip_suffix(b"\n").unwrap_or(&archive).len();
        for length in (0..whole).step_by(if archive.len() > 2000 { 97 } else { 3 }) {
            let error = bench.import(&archive[..length], None, &Limits::default());
            assert!(error.is_err(), "cut to {length} of {whole} bytes");
        }
    }
    bench.check_nothing_left();
}

#[test]
fn sizes_that_lie() {
    let size = |size: u64| move |header: &mut tar::Header| header.set_size(size);
    check_data(Tar::default().raw(b"./x", b"", size(5000), b"short"), "announced with 5000 bytes");
    check_data(Tar::default().raw(b"./x", b"", size(u64::MAX), b"short"), "size overflow");
    check_data(Tar::default().raw(b"./x", b"", size(1 << 62), b"short"), "announced with");
    check_data(Tar::default().raw(b"./x", b"", |h| h.as_old_mut().size = [b' '; 12], b""), "damaged");
    check_data(Tar::default().raw(b"./x", b"", |h| h.as_old_mut().size = [0xff; 12], b""), "size overflow");
    check_data(Tar::default().raw(b"./x", b"", |h| h.as_old_mut().size = *b"-00000000001", b""), "damaged");
    // Content that would be taken for headers.
    check_data(Tar::default().raw(b"./x", b"", size(0), &[b'x'; 600]), "damaged");
    let sized = |kind| {
        move |header: &mut tar::Header| {
            header.set_entry_type(kind);
            header.set_size(10);
        }
    };
    for kind in [tar::EntryType::Directory, tar::EntryType::Symlink, tar::EntryType::Link] {
        check_data(Tar::default().raw(b"./x", b"y", sized(kind), &[0; 10]), "`./x`, whose size is wrong");
    }
    check_data(Tar::default().raw(b"./x", b"", |h| h.set_uid(1 << 40), b""), "whose owner is wrong");
    check_data(Tar::default().raw(b"./x", b"", |h| h.as_old_mut().mode = *b"rwxr-x--", b""), "whose mode is wrong");
    let good = with_data(Tar::default().file("./x", "x"));
    let at = good.windows(8).position(|window| window == b"data.tar").unwrap();
    for (size, expected) in [("9999999999", "cut short"), ("-1        ", "its size is"), ("1000000000", "cut short")] {
        let mut lying = good.clone();
        lying[at + 48..at + 58].copy_from_slice(size.as_bytes());
        check(&lying, expected);
    }
}

#[test]
fn damage_inside() {
    let good = Tar::default().file("./x", "x").end();
    let mut wrong_sum = good.clone();
    wrong_sum[0x40] ^= 1;
    check(&deb(&control(CONTROL, &[]), &wrong_sum), "checksum mismatch");
    let smuggled = [good.clone(), vec![0; 9000], Tar::default().file("./y", "y").end()].concat();
    check(&deb(&control(CONTROL, &[]), &smuggled), "`data.tar` goes on after its end");
    let members: [(&str, &[u8]); 2] = [("debian-binary", b"2.0\n"), ("control.tar", &control(CONTROL, &[]))];
    for (name, bytes) in [("data.tar.xz", &b"garbage"[..]), ("data.tar.gz", b"garbage"), ("data.tar.zst", b"garbage")] {
        check(&ar(&[members[0], members[1], (name, bytes)]), &format!("`{name}` is damaged"));
    }
    let followed = [xz(&good), b"garbage!".to_vec()].concat();
    check(&ar(&[members[0], members[1], ("data.tar.xz", &followed)]), "`data.tar.xz` is damaged");
    assert!(Bench::new().import(&deb(&control(CONTROL, &[]), &[]), None, &Limits::default()).is_ok());
    let open = Tar::default().file("./x", "x").unclosed();
    assert!(Bench::new().import(&deb(&control(CONTROL, &[]), &open), None, &Limits::default()).is_ok());
}

#[test]
fn a_digest_vouches_for_what_is_inside_only_if_somebody_vouches_for_it() {
    let mut data = xz(&Tar::default().file("./x", "x").end());
    // The check of the only block, before the index and the footer that says how long the index is.
    let footer = data.len() - 12;
    let index = (u32::from_le_bytes(data[footer + 4..footer + 8].try_into().unwrap()) as usize + 1) * 4;
    data[footer - index - 1] ^= 1;
    let archive = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control(CONTROL, &[])), ("data.tar.xz", &data)]);
    let own = Expected { sha256: Digest::of(&archive), size: archive.len() as u64 };
    for (expect, vouched_by, accepted) in
        [(None, None, false), (None, Some("key"), false), (Some(&own), None, false), (Some(&own), Some("key"), true)]
    {
        let result = Bench::new().import_vouched(&archive, expect, vouched_by, &Limits::default());
        assert_eq!(result.is_ok(), accepted, "{expect:?} {vouched_by:?}");
    }
}

#[test]
fn bombs() {
    let zeros = Tar::default().raw(b"./zeros", b"", |_| (), &vec![0; 8 << 20]).end();
    let small = control(CONTROL, &[]);
    let packed = |suffix: &str, data: &[u8]| {
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &small), (&format!("data.tar{suffix}"), data)])
    };
    let ratio = Limits { ratio: 100, ratio_free: 1 << 20, ..Limits::default() };
    let absolute = Limits { data: 1 << 20, ..Limits::default() };
    for (suffix, data) in [(".xz", xz(&zeros)), (".gz", gz(&zeros)), (".zst", zst(&zeros))] {
        check_limited(&packed(suffix, &data), &ratio, "unpacks to more than");
        check_limited(&packed(suffix, &data), &absolute, "unpacks to more than 1048576 bytes");
    }
    let crowd = (0..20).fold(Tar::default(), |tar, n| tar.directory(&format!("./{n}/")));
    check_limited(&with_data(crowd), &Limits { entries: 10, ..Limits::default() }, "more than 10 names");
    let names = (0..20).fold(Tar::default(), |tar, n| tar.long(b'L', &[b'a'; 9][..n % 9 + 1]).file("./x", ""));
    check_limited(&with_data(names), &Limits { entries: 10, ..Limits::default() }, "more than 10 names");
    let implied = Tar::default().file("./a/b/c/d/e/f", "x");
    check_limited(&with_data(implied), &Limits { entries: 5, ..Limits::default() }, "more than 5 names");
    let few = Limits { names: 100, ..Limits::default() };
    let long = "x".repeat(60);
    check_limited(&with_data(Tar::default().file(&long, "x").symlink("./y", &long)), &few, "more than 100 bytes");
    check_limited(&with_data(Tar::default().file(&format!("{long}/x"), "x")), &few, "more than 100 bytes");
    let deep = "a/".repeat(200);
    check_data(Tar::default().long(b'L', deep.as_bytes()).directory("./x/"), "has more than 128 parts");
    let fat = deb(&control(CONTROL, &[("templates", &"x".repeat(5000))]), &Tar::default().end());
    check_limited(&fat, &Limits { control: 4096, ..Limits::default() }, "`control.tar` unpacks to more than 4096");
    let thrifty = Limits { memory: 1 << 20, ..Limits::default() };
    check_limited(&packed(".xz", &xz(&zeros)), &thrifty, "`data.tar.xz` is damaged: ");
    let mut noise = Vec::with_capacity(9 << 20);
    (0u64..(9 << 20) / 8).for_each(|n| noise.extend(n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()));
    let wide = zstd::encode_all(&*Tar::default().raw(b"./noise", b"", |_| (), &noise).end(), 19).unwrap();
    check_limited(&packed(".zst", &wide), &thrifty, "`data.tar.zst` is damaged: ");
}

#[test]
fn windows_that_are_too_wide() {
    let small = control(CONTROL, &[]);
    let packed = |suffix: &str, data: &[u8]| {
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &small), (&format!("data.tar{suffix}"), data)])
    };
    let tar = Tar::default().file("./x", "x").end();
    // The dictionary's size is in the block's header, after its size, its flags, and the filter's id and length.
    let xz_with = |dictionary: u8| {
        let mut data = xz(&tar);
        data[16] = dictionary;
        let mut sum = flate2::Crc::new();
        sum.update(&data[12..20]);
        data[20..24].copy_from_slice(&sum.sum().to_le_bytes());
        data
    };
    // One raw block in a frame that says nothing but its window.
    let zst_with = |window: u8| {
        let head = ((tar.len() as u32) << 3 | 1).to_le_bytes();
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, window], &head[..3], &tar].concat()
    };
    let bench = Bench::new();
    for (suffix, fine, wide) in [(".xz", xz_with(28), xz_with(32)), (".zst", zst_with(0x88), zst_with(0x90))] {
        bench.import(&packed(suffix, &fine), None, &Limits::default()).unwrap();
        check(&packed(suffix, &wide), &format!("`data.tar{suffix}` is damaged: "));
    }
}

#[test]
fn control_members_that_are_no_files() {
    let tar = || Tar::default().file("./control", CONTROL);
    let data = Tar::default().end();
    check(&deb(&tar().directory("./x/").end(), &data), "the directory `x`");
    check(&deb(&tar().symlink("./postinst", "/bin/true").end(), &data), "the link `postinst`");
    check(&deb(&tar().hard_link("./postinst", "./control").end(), &data), "the link `postinst`");
    check(&deb(&tar().file("./x/y", "").end(), &data), "`x/y` lies below");
    check(&deb(&tar().file("./../y", "").end(), &data), "`../y` leaves");
    check(&deb(&Tar::default().end(), &data), "no `control`");
    check(&deb(&control("Package: ../x\nVersion: 1\nArchitecture: all\n", &[]), &data), "`Package` has the value");
    check(&deb(&control(&format!("{CONTROL}\n{CONTROL}"), &[]), &data), "2 paragraphs");
}

#[test]
fn sums_that_differ() {
    let data = Tar::default().file("./usr/bin/abc", "abc").hard_link("./usr/bin/d", "./usr/bin/abc").end();
    let check_sums = |sums: &str, expected: &str| check(&deb(&control(CONTROL, &[("md5sums", sums)]), &data), expected);
    let (right, wrong) = ("900150983cd24fb0d6963f7d28e17f72", "900150983cd24fb0d6963f7d28e17f73");
    check_sums(&format!("{wrong}  usr/bin/abc\n"), "`usr/bin/abc` has MD5 sum 9001");
    check_sums(&format!("{right}  usr/bin/abc\n{wrong}  usr/bin/d\n"), "`usr/bin/d` has MD5 sum 9001");
    check_sums(&format!("{right}  usr/bin/xyz\n"), "`usr/bin/xyz` is listed");
    check_sums(&format!("{right}  usr\n"), "`usr` is listed");
    check_sums("rubbish\n", "line 1 of its `md5sums`");
}

#[test]
fn archives_that_nobody_promised() {
    let bench = Bench::new();
    let archive = with_data(Tar::default().file("./x", "x"));
    let right = Expected { sha256: Digest::of(&archive), size: archive.len() as u64 };
    for (expect, expected) in [
        (Expected { sha256: Digest::of(b"other"), ..right }, "it has SHA-256"),
        (Expected { size: right.size + 1, ..right }, "were expected"),
    ] {
        let error = bench.import(&archive, Some(&expect), &Limits::default()).unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        bench.check_nothing_left();
    }
}
