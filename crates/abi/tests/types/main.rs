//! Types from debug information, compared: small libraries are compiled in two versions.

mod c;
mod container;
mod cxx;
mod files;
mod harness;
mod hostile;
mod properties;
