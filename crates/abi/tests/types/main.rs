//! Types from debug information, compared: small libraries are compiled in two versions.

mod c;
mod cxx;
mod harness;
