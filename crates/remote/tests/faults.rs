//! What the client does when a cluster goes wrong: contents arrive whole or not at all, and nothing is believed.

mod support;

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use aleph_remote::{Blob, Child, Client, Content, Order, RemoteError, Tree};
use support::Fake;

/// Bytes that do not compress to nothing.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 59).unwrap()
    };
    (0..length).map(|_| next()).collect()
}

/// An action with a file of this length, and some small ones.
fn order(directory: &tempfile::TempDir, length: usize) -> (Order, Vec<u8>) {
    let large = bytes(length);
    let path = directory.path().join("large");
    fs::write(&path, &large).unwrap();
    let file = Child::File { blob: Blob::of(&large), content: Content::File(path), is_executable: false };
    let small = (0_u8..50).map(|n| (format!("small-{n}"), Child::bytes(vec![n; 900])));
    let tree = Tree::directory(small.chain([("large".to_owned(), file)]));
    let order = Order {
        target: "test".to_owned(),
        arguments: vec!["true".to_owned()],
        environment: BTreeMap::new(),
        tree: Arc::new(tree),
        files: Vec::new(),
        directories: Vec::new(),
        platform: BTreeMap::new(),
        timeout: None,
    };
    (order, large)
}

fn run(client: &Client, order: &Order) -> i32 {
    client.run(order, true, &mut |_| ()).unwrap().0.exit_code
}

#[test]
fn contents_arrive_although_streams_break_and_waits_do() {
    for zstd in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (order, large) = order(&directory, 3_500_000);
        let fake = Fake::with(|state| (state.zstd, state.breaks, state.refusals, state.deaf) = (zstd, 2, 2, 2));
        let client = fake.connect(|_| ()).unwrap();
        assert_eq!(run(&client, &order), 7);
        assert_eq!(fake.calls("stream in"), 3, "zstd: {zstd}");
        assert_eq!(fake.calls("how far") > 0, !zstd);
        assert!(fake.calls("update") >= 5, "many small ones fit into no single message");
        assert_eq!(fake.calls("wait"), 3);
        // Back again, with breaks, into a file and into memory.
        fake.0.lock().unwrap().breaks = 2;
        let target = directory.path().join("came");
        client.fetch(vec![(Blob::of(&large), target.clone())]).unwrap();
        assert!(fs::read(&target).unwrap() == large);
        fake.0.lock().unwrap().breaks = 1;
        assert!(client.read(Blob::of(&large)).unwrap() == large);
        // What the cluster has is not sent again.
        let streams = fake.calls("stream in");
        assert_eq!(client.run(&order, false, &mut |_| ()).unwrap().1.blobs, 0);
        assert_eq!(fake.calls("stream in"), streams);
    }
}

#[test]
fn what_is_no_longer_there_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (order, _) = order(&directory, 20_000);
    let fake = Fake::default();
    let client = fake.connect(|_| ()).unwrap();
    assert_eq!(run(&client, &order), 7);
    fake.0.lock().unwrap().contents.clear();
    let (done, sent) = client.run(&order, true, &mut |_| ()).unwrap();
    assert_eq!((done.exit_code, sent.blobs), (7, sent.known));
}

#[test]
fn nothing_is_believed() {
    for zstd in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (order, large) = order(&directory, 200_000);
        let fake = Fake::with(|state| state.zstd = zstd);
        let client = fake.connect(|_| ()).unwrap();
        run(&client, &order);
        fake.0.lock().unwrap().lies = true;
        let target = directory.path().join("came");
        let text = b"small and not the same backwards".to_vec();
        fake.0.lock().unwrap().contents.insert(Blob::of(&text).digest.to_string(), text.clone());
        for blob in [Blob::of(&large), Blob::of(&text)] {
            let error = client.fetch(vec![(blob, target.clone())]).unwrap_err();
            assert!(matches!(error, RemoteError::Lying { .. }), "{error}");
            assert!(matches!(client.read(blob), Err(RemoteError::Lying { .. })));
        }
        // A digest with another length is another content.
        let longer = Blob { size: 200_001, ..Blob::of(&large) };
        fake.0.lock().unwrap().lies = false;
        assert!(client.fetch(vec![(longer, target.clone())]).is_err());
        let left: Vec<PathBuf> = fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.path()).collect();
        assert_eq!(left, [directory.path().join("large")]);
        for size in [5, 50_000] {
            let missing = Blob { size, ..Blob::of(b"nobody has this") };
            assert!(matches!(client.fetch(vec![(missing, target.clone())]), Err(RemoteError::Lost { .. })));
        }
    }
}

#[test]
fn a_file_that_changed_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (order, _) = order(&directory, 5_000);
    fs::write(directory.path().join("large"), "changed").unwrap();
    let client = Fake::default().connect(|_| ()).unwrap();
    let error = client.run(&order, true, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("large"), "{error}");
}

#[test]
fn calls_say_who_asks() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "first\n").unwrap();
    let fake = Fake::default();
    let client = fake.connect(|endpoint| {
        endpoint.token = Some(token.clone());
        endpoint.headers = [("X-Team".to_owned(), "base".to_owned())].into();
    });
    let client = client.unwrap();
    let has = |name: &str, value: &str| {
        let state = fake.0.lock().unwrap();
        assert!(state.headers.contains(&(name.to_owned(), value.to_owned())), "{name}: {:?}", state.headers);
    };
    has("authorization", "Bearer first");
    has("x-team", "base");
    has("build.bazel.remote.execution.v2.requestmetadata-bin", "");
    // A token that was replaced is the one that counts.
    fs::write(&token, "second\n").unwrap();
    run(&client, &order(&directory, 10).0);
    has("authorization", "Bearer second");
}

#[test]
fn a_cancelled_client_does_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let client = Fake::default().connect(|_| ()).unwrap();
    client.cancel();
    let error = client.run(&order(&directory, 10).0, true, &mut |_| ()).unwrap_err();
    assert!(matches!(error, RemoteError::Cancelled), "{error}");
}
