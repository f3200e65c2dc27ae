"""Calls the interfaces with Samba's Python bindings and prints what they make
of the replies. Arguments: the TCP ports of srvsvc, wkssvc and lsarpc."""

import sys

from samba import credentials, param
from samba.dcerpc import base, lsa, security, srvsvc, wkssvc

lp = param.LoadParm()
creds = credentials.Credentials()
creds.set_anonymous()


def connect(binding, port):
    return binding("ncacn_ip_tcp:127.0.0.1[%s]" % port, lp, creds)


def show(label, call, *args):
    try:
        return call(*args)
    except Exception as e:
        print(label, "failed:", e.args[1] if len(e.args) > 1 else e)
        return None


def shares(s):
    for level, ctr in ((0, srvsvc.NetShareCtr0), (1, srvsvc.NetShareCtr1), (2, srvsvc.NetShareCtr2),
                       (501, srvsvc.NetShareCtr501), (502, srvsvc.NetShareCtr502)):
        info = srvsvc.NetShareInfoCtr()
        info.level = level
        info.ctr = ctr()
        for name, call in (("NetShareEnumAll", s.NetShareEnumAll), ("NetShareEnum", s.NetShareEnum)):
            got = show("%s %d" % (name, level), call, "srv", info, 0xffffffff, 0)
            if got:
                info_out, total, resume = got
                print(name, level, total, resume, [e.name for e in info_out.ctr.array])
    for level in (0, 1, 2, 501, 502, 1004, 1005, 1006, 1501):
        i = show("NetShareGetInfo %d" % level, s.NetShareGetInfo, "srv", "DATA", level)
        if i:
            print("NetShareGetInfo", level, " ".join(
                "%s=%s" % (f, getattr(i, f)) for f in ("name", "comment", "max_users", "current_users", "path", "csc_policy", "dfs_flags")
                if hasattr(i, f)))
    show("NetShareGetInfo missing", s.NetShareGetInfo, "srv", "nowhere", 1)


def state(s):
    for level, ctr in ((0, srvsvc.NetSessCtr0), (1, srvsvc.NetSessCtr1), (2, srvsvc.NetSessCtr2),
                       (10, srvsvc.NetSessCtr10), (502, srvsvc.NetSessCtr502)):
        info = srvsvc.NetSessInfoCtr()
        info.level = level
        info.ctr = ctr()
        got = show("NetSessEnum %d" % level, s.NetSessEnum, "srv", None, None, info, 0xffffffff, None)
        if got:
            print("NetSessEnum", level, [
                (e.client, getattr(e, "user", "-"), getattr(e, "time", "-"), getattr(e, "idle_time", "-"),
                 getattr(e, "client_type", "-"), getattr(e, "transport", "-")) for e in got[0].ctr.array])
    info = srvsvc.NetFileInfoCtr()
    info.level = 3
    info.ctr = srvsvc.NetFileCtr3()
    got = show("NetFileEnum", s.NetFileEnum, "srv", "c:\\DATA", None, info, 0xffffffff, None)
    if got:
        print("NetFileEnum", [(e.fid, e.permissions, e.num_locks, e.path, e.user) for e in got[0].ctr.array])
    info = srvsvc.NetConnInfoCtr()
    info.level = 1
    info.ctr = srvsvc.NetConnCtr1()
    got = show("NetConnEnum", s.NetConnEnum, "srv", "data", info, 0xffffffff, None)
    if got:
        print("NetConnEnum", [(e.conn_id, e.num_open, e.num_users, e.conn_time, e.user, e.share) for e in got[0].ctr.array])
    show("NetFileClose 99", s.NetFileClose, "srv", 99)


def server(s):
    for level in (100, 101, 102, 502):
        i = show("NetSrvGetInfo %d" % level, s.NetSrvGetInfo, "srv", level)
        if i:
            print("NetSrvGetInfo", level, i.platform_id, i.server_name, getattr(i, "comment", "-"),
                  getattr(i, "version_major", "-"), getattr(i, "users", "-"))
    t = s.NetRemoteTOD("srv")
    print("NetRemoteTOD", t.elapsed, t.hours, t.mins, t.secs, t.hunds, t.timezone, t.day, t.month, t.year, t.weekday)
    disks = srvsvc.NetDiskInfo()
    got = show("NetDiskEnum", s.NetDiskEnum, "srv", 0, disks, 0xffffffff, 0)
    if got:
        print("NetDiskEnum", got[0].count, [d.disk for d in got[0].disks])
    info = srvsvc.NetTransportInfoCtr()
    info.level = 1
    info.ctr = srvsvc.NetTransportCtr1()
    got = show("NetTransportEnum", s.NetTransportEnum, "srv", info, 0xffffffff, 0)
    if got:
        print("NetTransportEnum", [(t.vcs, t.name, bytes(t.addr), t.net_addr, t.domain) for t in got[0].ctr.array])
    for name, kind in (("data", 9), ("da/ta", 9)):
        print("NetNameValidate", name, show("NetNameValidate", s.NetNameValidate, "srv", name, kind, 0))


def workstation(w):
    for level in (100, 101, 102):
        i = show("NetWkstaGetInfo %d" % level, w.NetWkstaGetInfo, "srv", level)
        if i:
            print("NetWkstaGetInfo", level, i.server_name, i.domain_name, i.version_major, getattr(i, "logged_on_users", "-"))
    print("NetrGetJoinInformation", show("NetrGetJoinInformation", w.NetrGetJoinInformation, "srv", ""))


def lookups(l):
    attr = lsa.ObjectAttribute()
    attr.sec_qos = lsa.QosInfo()
    h = show("OpenPolicy2", l.OpenPolicy2, "srv", attr, security.SEC_FLAG_MAXIMUM_ALLOWED)
    if h is None:
        return
    for level in (3, 5, 6, 12, 14, 2):
        i = show("QueryInfoPolicy %d" % level, l.QueryInfoPolicy, h, level)
        if i:
            print("QueryInfoPolicy", level, *["%s=%s" % (f, getattr(getattr(i, f), "string", getattr(i, f)))
                                             for f in ("name", "sid", "dns_domain", "domain_guid", "role") if hasattr(i, f)])

    sids = lsa.SidArray()
    ptrs = []
    for text in ("S-1-1-0", "S-1-5-18", "S-1-5-32-544", "S-1-5-21-1-2-3-1000", "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-4711",
                 "S-1-22-1-1000", "S-1-5-21-1-2-3", "S-1-5-21-9-9-9-9"):
        p = lsa.SidPtr()
        p.sid = security.dom_sid(text)
        ptrs.append(p)
    sids.num_sids = len(ptrs)
    sids.sids = ptrs
    for name, call, array, more in (("LookupSids", l.LookupSids, lsa.TransNameArray, ()),
                                    ("LookupSids2", l.LookupSids2, lsa.TransNameArray2, (0, 1))):
        domains, names, count = call(h, sids, array(), 1, 0, *more)
        print(name, count)
        for n in names.names:
            d = domains.domains[n.sid_index] if n.sid_index != 0xffffffff else None
            print("   ", n.sid_type, n.name.string, "-" if d is None else "%s %s" % (d.name.string, d.sid))

    strings = []
    for text in ("Everyone", "BUILTIN\\Administrators", "files\\ALICE", "b\u00fcro", "files", "1000@Unix User", "nobody here"):
        s = lsa.String()
        s.string = text
        strings.append(s)
    for name, call, array, more in (("LookupNames", l.LookupNames, lsa.TransSidArray, ()),
                                    ("LookupNames2", l.LookupNames2, lsa.TransSidArray2, (0, 1)),
                                    ("LookupNames3", l.LookupNames3, lsa.TransSidArray3, (0, 1))):
        domains, found, count = call(h, strings, array(), 1, 0, *more)
        print(name, count)
        for f in found.sids:
            d = domains.domains[f.sid_index] if f.sid_index != 0xffffffff else None
            print("   ", f.sid_type, getattr(f, "rid", getattr(f, "sid", "-")), "-" if d is None else "%s %s" % (d.name.string, d.sid))
    print("GetUserName", *[getattr(s, "value", s).string for s in l.GetUserName("srv", None, base.ndr_pointer(None))])
    print("Close", l.Close(h).uuid)
    show("Close again", l.Close, h)


s = connect(srvsvc.srvsvc, sys.argv[1])
shares(s)
state(s)
server(s)
workstation(connect(wkssvc.wkssvc, sys.argv[2]))
lookups(connect(lsa.lsarpc, sys.argv[3]))
