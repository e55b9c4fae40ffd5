//! CycloneDX 1.5.

use serde_json::{Value, json};

use super::{Bill, Part, copies, purl_of};

pub(super) fn write(bill: &Bill) -> Value {
    let about = "the-bill-itself";
    let serial = &bill.serial;
    let uuid =
        format!("{}-{}-4{}-8{}-{}", &serial[..8], &serial[8..12], &serial[13..16], &serial[17..20], &serial[20..32]);
    let top: Vec<&str> = bill.parts.iter().map(|part| part.id.as_str()).collect();
    let own = json!({ "ref": about, "dependsOn": top });
    let linked = bill.parts.iter().map(|part| json!({ "ref": part.id, "dependsOn": part.linked }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{uuid}"),
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": { "components": [{ "type": "application", "name": "aleph", "version": env!("CARGO_PKG_VERSION") }] },
            "component": { "bom-ref": about, "type": "application", "name": bill.name, "version": bill.version },
        },
        "components": bill.parts.iter().map(component).collect::<Vec<_>>(),
        "dependencies": std::iter::once(own).chain(linked).collect::<Vec<_>>(),
    })
}

fn component(part: &Part) -> Value {
    let inside: Vec<Value> = copies(part)
        .into_iter()
        .map(|(inside, files)| {
            let mut value = json!({ "type": "library", "name": inside.name });
            insert(&mut value, "version", inside.version.clone());
            insert(&mut value, "purl", purl_of(inside));
            let edge = property("aleph:edge", inside.edge.word());
            let files = files.into_iter().map(|file| property("aleph:file", file));
            value["properties"] = std::iter::once(edge).chain(files).collect();
            value
        })
        .collect();
    let mut value = json!({ "bom-ref": part.id, "type": "library", "name": part.name, "version": part.version });
    insert(&mut value, "description", Some(part.summary.clone()).filter(|summary| !summary.is_empty()));
    insert(&mut value, "purl", part.purl());
    if let Some(archive) = &part.archive {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": archive }]);
    }
    let built =
        part.built_with.iter().map(|(name, version)| property("aleph:built-with", &format!("{name} {version}")));
    let origin = part.origin.iter().map(|origin| property("aleph:origin", origin));
    value["properties"] = origin.chain(built).collect();
    if !inside.is_empty() {
        value["components"] = inside.into();
    }
    value
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

fn insert(value: &mut Value, name: &str, text: Option<String>) {
    if let Some(text) = text {
        value[name] = text.into();
    }
}
