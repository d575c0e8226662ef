//! Who may talk to whom: one Ed25519 key at each end, each pinned at the other.
//!
//! The keys travel through a Secret of the target's namespace, so there is nothing that a certificate could
//! add; TLS uses them as raw public keys (RFC 7250). Whoever can read the Secret can join, nobody else.

mod pin;

use std::{fmt, sync::Arc};

use rustls::{
    crypto::ring::sign::any_eddsa_type,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

pub(crate) use pin::Pin;

/// PKCS #8 (RFC 8410 §7) of an Ed25519 private key, up to the 32 bytes of its seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// SubjectPublicKeyInfo (RFC 8410 §4) of an Ed25519 public key, up to its 32 bytes.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Length of a [`PublicKey`].
const SPKI_LENGTH: usize = SPKI_PREFIX.len() + 32;

/// The private and the public key of one end.
#[derive(Clone)]
pub struct KeyPair {
    seed: [u8; 32],
    public: PublicKey,
    certified: Arc<CertifiedKey>,
}

impl KeyPair {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`IdentityError::Random`] when there are none.
    pub fn generate() -> Result<Self, IdentityError> {
        random().map(Self::from_seed)
    }

    /// The key that belongs to a seed; any 32 bytes are one.
    #[must_use]
    #[expect(clippy::expect_used, reason = "depends on nothing but the length of the seed")]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let der = [PKCS8_PREFIX.as_slice(), &seed].concat();
        let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(der)).expect("every 32 bytes are an Ed25519 seed");
        let der = key.public_key().expect("Ed25519 keys have a public half");
        let public = PublicKey::from_der(&der).expect("an Ed25519 public key is 44 bytes of DER");
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(der.to_vec())], key));
        Self { seed, public, certified }
    }

    /// The secret from which the pair can be made again; to be stored, never printed.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// What the other end pins.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// As rustls wants it.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl fmt::Debug for KeyPair {
    /// The public half alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// An Ed25519 public key, as SubjectPublicKeyInfo in DER (44 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; SPKI_LENGTH]);

impl PublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`IdentityError::NotAKey`] for anything but the 44 bytes of an Ed25519 key.
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let key: [u8; SPKI_LENGTH] = der.try_into().map_err(|_| IdentityError::NotAKey)?;
        if !key.starts_with(&SPKI_PREFIX) {
            return Err(IdentityError::NotAKey);
        }
        Ok(Self(key))
    }

    /// The bytes that [`Self::from_der`] reads.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0[SPKI_PREFIX.len()..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Names a session to the agent, so that a new carrier finds the session it belongs to.
///
/// Random, and known to the two ends alone. It authenticates nobody (the keys do that), but who knows it could
/// take the place of the session's carrier, so it is never printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) [u8; 16]);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// [`IdentityError::Random`] when the operating system has no random numbers.
    pub fn generate() -> Result<Self, IdentityError> {
        random().map(Self)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A key or token could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system gave no random numbers.
    #[error("no random numbers")]
    Random(#[source] getrandom::Error),
    /// The bytes are not an Ed25519 public key in DER.
    #[error("not an Ed25519 public key")]
    NotAKey,
}

fn random<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(IdentityError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_key() {
        let first = KeyPair::generate().unwrap();
        let second = KeyPair::from_seed(*first.seed());
        assert_eq!(first.public(), second.public());
        assert_ne!(first.public(), KeyPair::generate().unwrap().public());
    }

    #[test]
    fn a_public_key_is_the_one_of_rfc_8032() {
        // RFC 8032 §7.1, test 1.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let key = KeyPair::from_seed(seed.try_into().unwrap()).public();
        assert_eq!(&key.as_der()[12..], public);
    }

    #[test]
    fn anything_but_an_ed25519_key_is_refused() {
        let der = KeyPair::from_seed([7; 32]).public().as_der().to_vec();
        assert!(PublicKey::from_der(&der).is_ok());
        assert!(PublicKey::from_der(&der[1..]).is_err());
        assert!(PublicKey::from_der(&[der.as_slice(), &[0]].concat()).is_err());
        let mut x25519 = der;
        x25519[8] = 0x6e;
        assert!(PublicKey::from_der(&x25519).is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let keys = KeyPair::from_seed([0xab; 32]);
        assert!(!format!("{keys:?}").contains("171"));
        assert!(!format!("{keys:?}").contains("abab"));
        assert_eq!(format!("{:?}", Token([1; 16])), "Token(..)");
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }
}
