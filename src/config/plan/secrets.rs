//! Plans with secrets, compared: a configuration that is read again is compared with the one
//! before. Both come from the same person, so that how long it takes tells nobody anything.

use secrecy::{ExposeSecret as _, SecretString};

use super::{ClientSecurity, HttpOutputPlan, ServerSecurity};

impl PartialEq for ServerSecurity {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            self_hostname,
            shared_key,
            users,
        } = self;
        *self_hostname == other.self_hostname
            && is_same(shared_key, &other.shared_key)
            && are_same(users, &other.users)
    }
}

impl PartialEq for ClientSecurity {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            self_hostname,
            shared_key,
            user,
        } = self;
        *self_hostname == other.self_hostname
            && is_same(shared_key, &other.shared_key)
            && are_same(pairs(user), pairs(&other.user))
    }
}

impl PartialEq for HttpOutputPlan {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            url,
            method,
            format,
            compress,
            headers,
            connect_timeout,
            request_timeout,
            tls,
            buffered,
        } = self;
        let is_sent_alike = *url == other.url
            && *method == other.method
            && *format == other.format
            && *compress == other.compress
            && are_same(pairs(headers), pairs(&other.headers));
        is_sent_alike
            && *connect_timeout == other.connect_timeout
            && *request_timeout == other.request_timeout
            && *tls == other.tls
            && *buffered == other.buffered
    }
}

fn pairs<'s>(
    named: impl IntoIterator<Item = &'s (String, SecretString)>,
) -> impl Iterator<Item = (&'s String, &'s SecretString)> {
    named.into_iter().map(|(name, secret)| (name, secret))
}

fn are_same<'s, I: IntoIterator<Item = (&'s String, &'s SecretString)>>(one: I, other: I) -> bool {
    let exposed = |(name, secret): (&'s String, &'s SecretString)| (name, secret.expose_secret());
    let (one, other) = (one.into_iter().map(exposed), other.into_iter().map(exposed));
    one.eq(other)
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
