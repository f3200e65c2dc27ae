# Logs on, moves a file, lists shares and goes: session.py PORT DIALECT USER PASSWORD NTHASH
import io
import sys

from impacket.smbconnection import SMBConnection

port, dialect, user, password, nthash = sys.argv[1:]
c = SMBConnection("127.0.0.1", "127.0.0.1", sess_port=int(port), preferredDialect=int(dialect), timeout=20)
assert c.getDialect() == int(dialect), c.getDialect()
c.login(user, password, nthash=nthash)
assert not c.isGuestSession()
# Its directory leases are half made: it stumbles over the second open of a file.
c.getSMBServer()._Connection["SupportsDirectoryLeasing"] = False
path = "file"
data = bytes(range(256)) * 500
c.putFile("share", path, io.BytesIO(data).read)
back = io.BytesIO()
c.getFile("share", path, back.write)
assert back.getvalue() == data
assert any(f.get_longname() == "file" for f in c.listPath("share", "*"))
assert any(s["shi1_netname"] == "share\0" for s in c.listShares())
c.deleteFile("share", path)
c.logoff()
print("served")
