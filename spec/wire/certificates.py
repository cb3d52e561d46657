"""Certificates made for one run of a test."""
import os
import ssl
import subprocess


def make(folder, name, hosts=("localhost",)):
    """A self-signed certificate; returns the paths of certificate and key."""
    certificate, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    alternatives = ",".join(("IP:" if host[0].isdigit() or ":" in host else "DNS:") + host for host in hosts)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=" + alternatives], check=True, capture_output=True)
    return certificate, key


def make_expired(folder, name, host):
    """Like make, but valid for one day of 2020."""
    _, key = make(folder, name, (host,))
    certificate, settings = os.path.join(folder, name + ".old.pem"), os.path.join(folder, name + ".cnf")
    request, index = os.path.join(folder, name + ".csr"), os.path.join(folder, name + ".index")
    open(index, "w").close()
    with open(settings, "w") as file:
        file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                   "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:%s\n" % (index, folder, host))
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", settings, "-keyfile", key, "-in", request, "-out", certificate,
                    "-notext", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z"], check=True, capture_output=True)
    return certificate, key


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client_context(certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
