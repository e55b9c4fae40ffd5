//! SPDX 2.3.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Bill, Part, copies, is_static, purl_of};

/// Nobody asserts it.
const UNSAID: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const ABOUT: &str = "SPDXRef-about";

pub(super) fn write(bill: &Bill) -> Value {
    let mut packages = vec![package(ABOUT, &bill.name, Some(&bill.version), None)];
    let mut relations = vec![relation(DOCUMENT, "DESCRIBES", ABOUT)];
    // What parts were built with is no part itself: the same thing is told once.
    let mut others: BTreeMap<(String, Option<String>, Option<String>), String> = BTreeMap::new();
    let mut other = |name: &str, version: Option<&str>, purl: Option<String>, packages: &mut Vec<Value>| -> String {
        let number = others.len();
        let key = (name.to_owned(), version.map(str::to_owned), purl.clone());
        let id = others.entry(key).or_insert_with(|| {
            let id = format!("SPDXRef-other-{number}");
            packages.push(package(&id, name, version, purl));
            id
        });
        id.clone()
    };
    for part in &bill.parts {
        let id = reference(&part.id);
        packages.push(described(part));
        relations.push(relation(ABOUT, "CONTAINS", &id));
        relations.extend(part.linked.iter().map(|linked| relation(&id, "DYNAMIC_LINK", &reference(linked))));
        for (name, version) in &part.built_with {
            let tool = other(name, Some(version), None, &mut packages);
            relations.push(relation(&tool, "BUILD_DEPENDENCY_OF", &id));
        }
        for (inside, _) in copies(part) {
            let copy = other(&inside.name, inside.version.as_deref(), purl_of(inside), &mut packages);
            relations.push(relation(&id, if is_static(inside) { "STATIC_LINK" } else { "CONTAINS" }, &copy));
        }
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": bill.name,
        "documentNamespace": format!("urn:aleph:bill:{}", bill.serial),
        "creationInfo": { "created": bill.created, "creators": [format!("Tool: aleph-{}", env!("CARGO_PKG_VERSION"))] },
        "packages": packages,
        "relationships": relations,
    })
}

fn described(part: &Part) -> Value {
    let mut value = package(&reference(&part.id), &part.name, Some(&part.version), part.purl());
    if !part.summary.is_empty() {
        value["summary"] = part.summary.clone().into();
    }
    if let Some(origin) = &part.origin {
        value["sourceInfo"] = format!("from {origin}").into();
    }
    if let Some(archive) = &part.archive {
        value["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": archive }]);
    }
    value
}

fn package(id: &str, name: &str, version: Option<&str>, purl: Option<String>) -> Value {
    let mut value = json!({
        "SPDXID": id, "name": name, "downloadLocation": UNSAID, "filesAnalyzed": false,
        "licenseConcluded": UNSAID, "licenseDeclared": UNSAID, "copyrightText": UNSAID,
    });
    if let Some(version) = version {
        value["versionInfo"] = version.into();
    }
    if let Some(purl) = purl {
        value["externalRefs"] =
            json!([{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl }]);
    }
    value
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// An id of a part as SPDX takes it: letters, digits, points and hyphens.
fn reference(id: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("SPDXRef-{}", id.chars().map(plain).collect::<String>())
}
