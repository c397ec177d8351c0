/// Git's own HTTP back end behind TLS and Basic authentication; `/moved` answers with a redirect.
public enum GitOverHTTPS {
    /// A Python program: port, folder of repositories, certificate, key, log of requests, and `USER:PASSWORD` (`reader:s3cret-token`).
    public static let program = """
        import base64, http.server, os, ssl, subprocess, sys
        port, root, certificate, key, log = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
        account = sys.argv[6] if len(sys.argv) > 6 else "reader:s3cret-token"
        wanted = "Basic " + base64.b64encode(account.encode()).decode()
        class Git(http.server.BaseHTTPRequestHandler):
            def serve(self):
                with open(log, "a") as file: file.write(f"{self.path} {self.headers.get('Authorization') == wanted}\\n")
                path, _, query = self.path.partition("?")
                if path.startswith("/moved"):
                    self.send_response(302); self.send_header("Location", f"https://127.0.0.1:{port}/work/.git" + self.path[6:]); self.send_header("Content-Length", "0"); self.end_headers(); return
                if self.headers.get("Authorization") != wanted:
                    self.send_response(401); self.send_header("WWW-Authenticate", "Basic realm=git"); self.send_header("Content-Length", "0"); self.end_headers(); return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                environment = {"PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type") or "", "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "", "REMOTE_USER": "reader", "REMOTE_ADDR": "127.0.0.1"}
                head, _, content = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE).stdout.partition(b"\\r\\n\\r\\n")
                lines = [line.split(": ", 1) for line in head.decode().split("\\r\\n")]
                self.send_response(int(dict(lines).get("Status", "200").split()[0]))
                for name, value in lines:
                    if name != "Status": self.send_header(name, value)
                self.send_header("Content-Length", str(len(content))); self.end_headers(); self.wfile.write(content)
            do_GET = do_POST = serve
            def log_message(self, *_): pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(certificate, key)
        listener = http.server.ThreadingHTTPServer(("127.0.0.1", port), Git); listener.socket = context.wrap_socket(listener.socket, server_side=True)
        listener.serve_forever()
        """
}
