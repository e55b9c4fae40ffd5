//! Connections by TLS: with an authority of one's own, and a certificate that the cluster wants to see.

mod support;

use std::{fs, path::Path, process::Command};

use aleph_remote::{Client, Endpoint, RemoteError, Tls};
use support::Fake;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

/// Makes a certificate and its key, signed by that of the authority `ca` unless it is that one.
fn certificate(directory: &Path, name: &str, domain: &str) {
    let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory).args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "2", "-keyout", &key, "-out", &pem, "-subj", &format!("/CN={domain}")]);
    if name != "ca" {
        openssl.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.args(["-addext", &format!("subjectAltName=DNS:{domain}")]);
    }
    let made = openssl.output().expect("openssl starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn both_sides_show_who_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (name, domain) in [("ca", "authority"), ("server", "cluster.test"), ("me", "me")] {
        certificate(directory.path(), name, domain);
    }
    let read = |name: &str| fs::read(path(name)).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("server.pem"), read("server.key")))
        .client_ca_root(Certificate::from_pem(read("ca.pem")));
    let fake = Fake::default();
    let address = format!("grpcs://{}/main", fake.serve(Server::builder().tls_config(tls).unwrap()));
    let good = Tls {
        authorities: Some(path("ca.pem")),
        identity: Some((path("me.pem"), path("me.key"))),
        server_name: Some("cluster.test".to_owned()),
    };
    let connect = |tls: Tls| -> Result<Client, RemoteError> {
        Fake::connect_to(&address, |endpoint: &mut Endpoint| endpoint.tls = Some(tls))
    };
    connect(good.clone()).unwrap();
    assert_eq!(fake.calls("capabilities"), 1);
    // Another name, no certificate of one's own, and an authority that nobody knows.
    let missing = Tls { authorities: Some(path("none.pem")), ..good.clone() };
    assert!(matches!(connect(missing), Err(RemoteError::Read { .. })));
    for wrong in [
        Tls { server_name: Some("other.test".to_owned()), ..good.clone() },
        Tls { identity: None, ..good.clone() },
        Tls { authorities: None, ..good },
    ] {
        let error = connect(wrong).unwrap_err();
        assert!(matches!(error, RemoteError::Call { .. }), "{error}");
    }
    assert_eq!(fake.calls("capabilities"), 1);
}
