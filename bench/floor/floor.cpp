// The physical floor of a container start: each piece timed alone, then end to end. Root, Linux >= 6.7.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <spawn.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <time.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>
using namespace std;
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
static double now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e6 + t.tv_nsec / 1e3; }
struct Series {
  map<string, vector<double>> m; vector<string> ord;
  void add(const string& n, double v) { auto& x = m[n]; if (x.empty()) ord.push_back(n); x.push_back(v); }
  void print(const char* title) {
    printf("\n### %s (us: median, p10, p90, n)\n", title);
    for (auto& n : ord) { auto v = m[n]; sort(v.begin(), v.end()); size_t k = v.size();
      printf("| %-62s | %9.1f | %9.1f | %9.1f | %zu |\n", n.c_str(), v[k / 2], v[k / 10], v[k * 9 / 10], k); }
    fflush(stdout);
  }
};
#define CK(x) do { if ((long)(x) < 0) { fprintf(stderr, "FAIL %s:%d %s: %s\n", __FILE__, __LINE__, #x, strerror(errno)); _exit(99); } } while (0)
static int REPS = 300; static int PAUSE = 0; // us of idleness before each e2e start: RCU and cgroup locks go cold, as between real starts
static void gap() { if (PAUSE) usleep(PAUSE); }
static string here(const char* env, const char* dflt) { const char* v = getenv(env); if (v) return v; char b[4096]; return string(getcwd(b, sizeof b)) + "/" + dflt; }
static const string Wdir = here("FLOOR_WORK", "floor-work"); static const char* W = Wdir.c_str();
static string BB = here("FLOOR_ROOTFS", "bb");
static long clone3_(clone_args* a) { return syscall(SYS_clone3, a, sizeof *a); }
static int pidfd_wait(int pfd) { siginfo_t si; memset(&si, 0, sizeof si); CK(waitid((idtype_t)P_PIDFD, pfd, &si, WEXITED)); return si.si_code == CLD_EXITED ? si.si_status : -1; }
static void wr(const string& p, const string& s) { int f = open(p.c_str(), O_WRONLY | O_CLOEXEC); if (f < 0) { fprintf(stderr, "open %s %s\n", p.c_str(), strerror(errno)); return; } if (write(f, s.data(), s.size()) < 0) fprintf(stderr, "write %s '%s' %s\n", p.c_str(), s.c_str(), strerror(errno)); close(f); }
static void rmrf(const string& d) { string c = "rm -rf " + d; if (system(c.c_str())) {} }
struct Shared { volatile int n; struct { const char* nm; double t; } s[96]; volatile int go; volatile int ready; };
static Shared* sh;
static double last_;
static void st0() { last_ = now(); }
static void st(const char* n) { double t = now(); int i = sh->n; sh->s[i].nm = n; sh->s[i].t = t - last_; sh->n = i + 1; last_ = now(); }
static void drain(Series& s) { for (int i = 0; i < sh->n; i++) s.add(sh->s[i].nm, sh->s[i].t); sh->n = 0; }

// ---------------------------------------------------------------- rtnetlink
struct Nl {
  char b[16384]; size_t len = 0; int fd = -1; unsigned seq = 1; int cnt = 0;
  void open_() { fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); CK(fd); int one = 1; setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one); setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one); }
  nlmsghdr* cur = nullptr;
  void begin(int type, int flags, const void* h, size_t hl) { len = NLMSG_ALIGN(len); cur = (nlmsghdr*)(b + len); memset(cur, 0, NLMSG_HDRLEN + NLMSG_ALIGN(hl)); cur->nlmsg_type = type; cur->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags; cur->nlmsg_seq = seq++; memcpy(NLMSG_DATA(cur), h, hl); len += NLMSG_HDRLEN + NLMSG_ALIGN(hl); cnt++; }
  rtattr* attr(int t, const void* d, size_t l) { len = NLMSG_ALIGN(len); rtattr* a = (rtattr*)(b + len); a->rta_type = t; a->rta_len = RTA_LENGTH(l); if (l) memcpy(RTA_DATA(a), d, l); len += RTA_ALIGN(a->rta_len); return a; }
  rtattr* attr32(int t, unsigned v) { return attr(t, &v, 4); }
  rtattr* nest(int t) { return attr(t | NLA_F_NESTED, nullptr, 0); }
  void endnest(rtattr* a) { a->rta_len = (char*)(b + len) - (char*)a; }
  void end() { cur->nlmsg_len = (b + len) - (char*)cur; }
  int flush() { // one sendmsg for all queued messages, then read all acks
    CK(send(fd, b, len, 0)); int want = cnt, err = 0; len = 0; cnt = 0; char r[16384];
    while (want > 0) { ssize_t k = recv(fd, r, sizeof r, 0); CK(k); for (nlmsghdr* h = (nlmsghdr*)r; NLMSG_OK(h, k); h = NLMSG_NEXT(h, k)) if (h->nlmsg_type == NLMSG_ERROR) { want--; int e = ((nlmsgerr*)NLMSG_DATA(h))->error; if (e && !err) err = e; } }
    return err; }
};
static void q_veth(Nl& n, const char* host, int master, int nsfd, int nspid, const char* peer, const unsigned char* mac) {
  ifinfomsg i{}; i.ifi_flags = IFF_UP; i.ifi_change = IFF_UP; n.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i);
  n.attr(IFLA_IFNAME, host, strlen(host) + 1); if (master) n.attr32(IFLA_MASTER, master);
  auto* li = n.nest(IFLA_LINKINFO); n.attr(IFLA_INFO_KIND, "veth", 4); auto* d = n.nest(IFLA_INFO_DATA); auto* p = n.nest(VETH_INFO_PEER);
  ifinfomsg pi{}; memcpy(n.b + n.len, &pi, sizeof pi); n.len += sizeof pi;
  n.attr(IFLA_IFNAME, peer, strlen(peer) + 1); if (mac) n.attr(IFLA_ADDRESS, mac, 6);
  if (nsfd >= 0) n.attr32(IFLA_NET_NS_FD, nsfd); else if (nspid > 0) n.attr32(IFLA_NET_NS_PID, nspid);
  n.endnest(p); n.endnest(d); n.endnest(li); n.end(); }
static void q_up(Nl& n, int idx, const char* name) { ifinfomsg i{}; i.ifi_index = idx; i.ifi_flags = IFF_UP; i.ifi_change = IFF_UP; n.begin(RTM_NEWLINK, 0, &i, sizeof i); if (name) n.attr(IFLA_IFNAME, name, strlen(name) + 1); n.end(); }
static void q_addr(Nl& n, int idx, unsigned ip_be, int plen) { ifaddrmsg a{}; a.ifa_family = AF_INET; a.ifa_prefixlen = plen; a.ifa_index = idx; n.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a, sizeof a); n.attr32(IFA_LOCAL, ip_be); n.attr32(IFA_ADDRESS, ip_be); n.end(); }
static void q_defroute(Nl& n, unsigned gw_be) { rtmsg r{}; r.rtm_family = AF_INET; r.rtm_table = RT_TABLE_MAIN; r.rtm_protocol = RTPROT_BOOT; r.rtm_scope = RT_SCOPE_UNIVERSE; r.rtm_type = RTN_UNICAST; n.begin(RTM_NEWROUTE, NLM_F_CREATE, &r, sizeof r); n.attr32(RTA_GATEWAY, gw_be); n.end(); }
static void q_del(Nl& n, int idx, const char* name) { ifinfomsg i{}; i.ifi_index = idx; n.begin(RTM_DELLINK, 0, &i, sizeof i); if (name) n.attr(IFLA_IFNAME, name, strlen(name) + 1); n.end(); }
static int mkbridge(Nl& n, const char* name, const char* ip) {
  ifinfomsg i{}; i.ifi_flags = IFF_UP; i.ifi_change = IFF_UP; n.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i); n.attr(IFLA_IFNAME, name, strlen(name) + 1); auto* li = n.nest(IFLA_LINKINFO); n.attr(IFLA_INFO_KIND, "bridge", 6); n.endnest(li); n.end(); n.flush(); int ix = if_nametoindex(name); q_addr(n, ix, inet_addr(ip), 16); n.flush(); return ix; }
// container side of the network: lo up, address, eth0 up, default route, in ONE send
static int ctr_net(bool batched, unsigned ip) {
  Nl* n = new Nl; n->open_(); int ix = if_nametoindex("eth0"); int e = 0;
  auto f = [&] { if (!batched) { int r = n->flush(); if (r) e = r; } };
  q_up(*n, 1, nullptr); f(); q_addr(*n, ix, ip, 16); f(); q_up(*n, ix, nullptr); f(); q_defroute(*n, inet_addr("10.213.0.1")); f();
  if (batched) e = n->flush(); close(n->fd); delete n; if (e) fprintf(stderr, "ctr_net %s\n", strerror(-e)); return e; }
static void lo_up() { Nl n; n.open_(); q_up(n, 1, nullptr); n.flush(); close(n.fd); }

// ---------------------------------------------------------------- pieces
static void b_clone() {
  Series s;
  struct { const char* n; unsigned long f; } v[] = {{"fork-like", 0}, {"NEWUTS", CLONE_NEWUTS}, {"NEWIPC", CLONE_NEWIPC}, {"NEWPID", CLONE_NEWPID}, {"NEWNS", CLONE_NEWNS}, {"NEWCGROUP", CLONE_NEWCGROUP}, {"NEWNET", CLONE_NEWNET}, {"NEWUSER", CLONE_NEWUSER}, {"pid+mnt+uts+ipc+cgroup", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP}, {"pid+mnt+uts+ipc+cgroup+net", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNET}};
  for (int r = 0; r < REPS; r++) for (auto& x : v) {
    int pfd = -1; clone_args a{}; a.flags = x.f | CLONE_PIDFD; a.pidfd = (uint64_t)&pfd; a.exit_signal = SIGCHLD; double t = now(); long p = clone3_(&a); if (p == 0) _exit(0); CK(p); double t1 = now(); pidfd_wait(pfd); double t2 = now(); close(pfd);
    s.add(string("clone3 ") + x.n, t1 - t); s.add(string("clone3 ") + x.n + " + _exit + waitid(pidfd)", t2 - t); }
  static char stk[65536] __attribute__((aligned(16)));
  for (int r = 0; r < REPS; r++) { double t = now(); int pfd; int p = clone([](void*) { _exit(0); return 0; }, stk + sizeof stk, CLONE_VM | CLONE_VFORK | SIGCHLD | CLONE_PIDFD, 0, &pfd); CK(p); pidfd_wait(pfd); s.add("clone VM|VFORK + _exit + wait", now() - t); close(pfd); }
  for (int r = 0; r < REPS; r++) { double t = now(); int pfd; int p = clone([](void*) { _exit(0); return 0; }, stk + sizeof stk, CLONE_VM | CLONE_VFORK | SIGCHLD | CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNET, 0, &pfd); CK(p); pidfd_wait(pfd); s.add("clone VM|VFORK all 6 ns + _exit + wait", now() - t); close(pfd); }
  // cost of fork when the daemon is big: 300 MB touched
  char* big = (char*)mmap(0, 300 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); madvise(big, 300 << 20, MADV_NOHUGEPAGE); memset(big, 1, 300 << 20);
  for (int r = 0; r < 50; r++) { double t = now(); int p = fork(); if (!p) _exit(0); double t1 = now(); waitpid(p, 0, 0); s.add("fork() in a process with 300 MB of touched 4K pages", t1 - t); }
  for (int r = 0; r < REPS; r++) { double t = now(); int pfd; int p = clone([](void*) { _exit(0); return 0; }, stk + sizeof stk, CLONE_VM | CLONE_VFORK | SIGCHLD | CLONE_PIDFD, 0, &pfd); CK(p); pidfd_wait(pfd); s.add("clone VM|VFORK, same 300 MB process", now() - t); close(pfd); }
  munmap(big, 300 << 20);
  s.print("clone3 and namespaces");
}
static const char* CG1[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"};
static string cgp(const char* c, const string& n) { return string("/sys/fs/cgroup/") + c + "/floor/" + n; }
static void cg_init() { for (auto c : CG1) { mkdir((string("/sys/fs/cgroup/") + c + "/floor").c_str(), 0755); if (!strcmp(c, "cpuset")) { wr("/sys/fs/cgroup/cpuset/floor/cpuset.cpus", "0-1"); wr("/sys/fs/cgroup/cpuset/floor/cpuset.mems", "0"); wr("/sys/fs/cgroup/cpuset/floor/cgroup.clone_children", "1"); } } mkdir("/sys/fs/cgroup/unified/floor", 0755); }
static void cg_fini() { for (auto c : CG1) rmdir((string("/sys/fs/cgroup/") + c + "/floor").c_str()); rmdir("/sys/fs/cgroup/unified/floor"); }
static void b_cgroup() {
  Series s; cg_init();
  for (int r = 0; r < REPS; r++) {
    string n = "b" + to_string(r); double T = now();
    for (auto c : CG1) { double t = now(); CK(mkdir(cgp(c, n).c_str(), 0755)); s.add(string("v1 mkdir ") + c, now() - t); }
    s.add("v1 mkdir, all 9", now() - T);
    int pfd = -1; clone_args a{}; a.flags = CLONE_PIDFD; a.pidfd = (uint64_t)&pfd; a.exit_signal = SIGCHLD; int pp[2]; CK(pipe(pp)); long p = clone3_(&a); if (!p) { char c; if (read(pp[0], &c, 1)) {} _exit(0); }
    gap(); T = now(); for (auto c : CG1) { double t = now(); wr(cgp(c, n) + "/cgroup.procs", to_string(p)); s.add(string("v1 write cgroup.procs ") + c, now() - t); } s.add("v1 write cgroup.procs, all 9", now() - T);
    { double t = now(); wr(cgp("memory", n) + "/memory.limit_in_bytes", "268435456"); wr(cgp("pids", n) + "/pids.max", "100"); wr(cgp("cpu", n) + "/cpu.shares", "512"); s.add("v1 3 limit writes (memory, pids, cpu.shares)", now() - t); t = now(); wr(cgp("devices", n) + "/devices.deny", "a"); const char* al[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 10:200 rwm", "c 136:* rwm"}; for (auto x : al) wr(cgp("devices", n) + "/devices.allow", x); s.add("v1 devices: 1 deny + 12 allow writes", now() - t); }
    if (write(pp[1], "x", 1)) {} double tw = now(); pidfd_wait(pfd); s.add("wake + exit + waitid(pidfd) of that process", now() - tw); close(pfd); close(pp[0]); close(pp[1]);
    T = now(); for (auto c : CG1) { double t = now(); int k = 0; while (rmdir(cgp(c, n).c_str()) && k++ < 100000); s.add(string("v1 rmdir ") + c, now() - t); } s.add("v1 rmdir, all 9", now() - T);
    // v2
    string v2 = "/sys/fs/cgroup/unified/floor/" + n; T = now(); CK(mkdir(v2.c_str(), 0755)); s.add("v2 mkdir", now() - T); T = now(); int cfd = open(v2.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); s.add("v2 open cgroup dir", now() - T);
    pfd = -1; clone_args b{}; b.flags = CLONE_PIDFD | CLONE_INTO_CGROUP; b.pidfd = (uint64_t)&pfd; b.exit_signal = SIGCHLD; b.cgroup = cfd; T = now(); p = clone3_(&b); if (!p) _exit(0); CK(p); s.add("v2 clone3(CLONE_INTO_CGROUP)", now() - T); pidfd_wait(pfd); close(pfd); close(cfd);
    clone_args c{}; pfd = -1; c.flags = CLONE_PIDFD; c.pidfd = (uint64_t)&pfd; c.exit_signal = SIGCHLD; CK(pipe(pp)); p = clone3_(&c); if (!p) { char x; if (read(pp[0], &x, 1)) {} _exit(0); } gap(); T = now(); wr(v2 + "/cgroup.procs", to_string(p)); s.add("v2 write cgroup.procs", now() - T); if (write(pp[1], "x", 1)) {} pidfd_wait(pfd); close(pfd); close(pp[0]); close(pp[1]);
    T = now(); while (rmdir(v2.c_str())); s.add("v2 rmdir", now() - T);
  }
  cg_fini(); s.print("cgroups");
}
static string lowers(int n) { string o; for (int i = 0; i < n; i++) { string d = string(W) + "/l/" + to_string(i); if (i) o += ":"; o += i == n - 1 ? BB : d; } return o; }
static void mkl() { rmrf(W); mkdir(W, 0755); mkdir((string(W) + "/l").c_str(), 0755); for (int i = 0; i < 64; i++) { string d = string(W) + "/l/" + to_string(i); mkdir(d.c_str(), 0755); mkdir((d + "/bin").c_str(), 0755); } }
static int ovl_new(int n, const char* up, const char* wk, const char* target) {
  int fs = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC); if (fs < 0) return -1;
  for (int i = 0; i < n; i++) { string d = i == n - 1 ? BB : string(W) + "/l/" + to_string(i); if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", d.c_str(), 0) < 0) { close(fs); return -2; } }
  syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "upperdir", up, 0); syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "workdir", wk, 0);
  if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0) < 0) { close(fs); return -3; }
  int m = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0); close(fs); if (m < 0) return -4; if (target) { if (syscall(SYS_move_mount, m, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0) return -5; close(m); return 0; } return m; }
static void b_overlay() {
  Series s; mkl(); CK(unshare(CLONE_NEWNS)); CK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  string up = string(W) + "/u", wk = string(W) + "/wk", mg = string(W) + "/m"; mkdir(up.c_str(), 0755); mkdir(wk.c_str(), 0755); mkdir(mg.c_str(), 0755);
  for (int r = 0; r < REPS; r++) for (int n : {1, 10, 40}) {
    string o = "lowerdir=" + lowers(n) + ",upperdir=" + up + ",workdir=" + wk; double t;
    if (o.size() < 4096) { t = now(); CK(mount("overlay", mg.c_str(), "overlay", 0, o.c_str())); s.add("overlay mount(2), lowers " + to_string(n), now() - t); t = now(); CK(umount2(mg.c_str(), 0)); s.add("overlay umount, lowers " + to_string(n), now() - t); }
    t = now(); int e = ovl_new(n, up.c_str(), wk.c_str(), mg.c_str()); if (e < 0) { fprintf(stderr, "fsopen overlay %d %s\n", e, strerror(errno)); continue; } s.add("overlay fsopen API (lowerdir+), lowers " + to_string(n), now() - t);
    t = now(); CK(umount2(mg.c_str(), MNT_DETACH)); s.add("overlay umount MNT_DETACH, lowers " + to_string(n), now() - t);
    t = now(); string o2 = o + ",volatile"; if (o2.size() < 4096) { CK(mount("overlay", mg.c_str(), "overlay", 0, o2.c_str())); s.add("overlay mount(2) volatile, lowers " + to_string(n), now() - t); CK(umount2(mg.c_str(), 0)); rmrf(wk + "/work/incompat"); }
  }
  for (int r = 0; r < REPS; r++) { string d = string(W) + "/c" + to_string(r); double t = now(); mkdir(d.c_str(), 0700); mkdir((d + "/u").c_str(), 0755); mkdir((d + "/w").c_str(), 0755); mkdir((d + "/m").c_str(), 0755); s.add("mkdir container dir + upper + work + merged (ext4)", now() - t); t = now(); rmdir((d + "/m").c_str()); rmdir((d + "/w").c_str()); rmdir((d + "/u").c_str()); rmdir(d.c_str()); s.add("rmdir of the same 4", now() - t);
    t = now(); int f = open((string(W) + "/state.tmp").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600); char buf[4096]; memset(buf, 'x', sizeof buf); if (write(f, buf, sizeof buf)) {} close(f); rename((string(W) + "/state.tmp").c_str(), (string(W) + "/state").c_str()); s.add("write 4 KB state file + rename, no fsync", now() - t);
    if (r < 60) { t = now(); f = open((string(W) + "/state.tmp").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600); if (write(f, buf, sizeof buf)) {} fsync(f); close(f); rename((string(W) + "/state.tmp").c_str(), (string(W) + "/state").c_str()); s.add("write 4 KB state file + fsync + rename", now() - t); } }
  s.print("overlayfs and state");
}
// ---- setup inside the child
static vector<sock_filter> BPF;
static void load_bpf() { FILE* f = fopen(getenv("BPF") ? getenv("BPF") : "docker.bpf", "rb"); if (!f) return; sock_filter x; while (fread(&x, sizeof x, 1, f) == 1) BPF.push_back(x); fclose(f); printf("docker-sized seccomp filter: %zu BPF instructions\n", BPF.size()); }
static void do_seccomp(unsigned fl) { sock_fprog p{(unsigned short)BPF.size(), BPF.data()}; if (!BPF.empty()) CK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, fl, &p)); }
static void do_caps() {
  static const unsigned keep = 0; (void)keep; unsigned long long m = 0xa80425fbULL; // docker's default 14
  unsigned long long all = 0; for (int c = 0; c <= 40; c++) if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) all |= 1ULL << c;
  for (int c = 0; c <= 40; c++) if ((all >> c & 1) && !(m >> c & 1)) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
  __user_cap_header_struct h{_LINUX_CAPABILITY_VERSION_3, 0}; __user_cap_data_struct d[2]{}; m &= all; d[0].effective = d[0].permitted = d[0].inheritable = (unsigned)m; d[1].effective = d[1].permitted = d[1].inheritable = (unsigned)(m >> 32); syscall(SYS_capset, &h, d); }
static void mk(const string& p) { mkdir(p.c_str(), 0755); }
static bool NOSEC = false;
static const char* MASK[] = {"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"};
static const char* RO[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
struct Cfg { const char* name; bool net, bridge, pool, cg1, cg2, masks, sec, vm, zyg, ownmnt; };
static void child_mounts(const Cfg& c, const string& d, const string& lw) {
  string m = d + "/m";
  CK(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0)); st("c: make / rprivate");
  CK(mount("overlay", m.c_str(), "overlay", 0, ("lowerdir=" + lw + ",upperdir=" + d + "/u,workdir=" + d + "/w").c_str())); st("c: overlay mount");
  CK(chdir(m.c_str()));
  CK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0)); st("c: mount proc");
  CK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k")); st("c: mount tmpfs /dev");
  mk("dev/pts"); mk("dev/shm"); mk("dev/mqueue");
  CK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")); st("c: mount devpts");
  CK(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k")); st("c: mount /dev/shm tmpfs");
  CK(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0)); st("c: mount mqueue");
  CK(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, 0)); st("c: mount sysfs ro");
  if (c.cg1) { CK(mount("tmpfs", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755")); for (auto g : CG1) { string t = string("sys/fs/cgroup/") + g; mk(t); string src = cgp(g, d.substr(d.rfind('/') + 1)); CK(mount(src.c_str(), t.c_str(), 0, MS_BIND, 0)); CK(mount(0, t.c_str(), 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0)); } CK(mount(0, "sys/fs/cgroup", 0, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0)); st("c: /sys/fs/cgroup tmpfs + 9 ro binds (v1)"); }
  struct { const char* n; int a, b; } nd[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (auto& x : nd) CK(mknod((string("dev/") + x.n).c_str(), S_IFCHR | 0666, makedev(x.a, x.b)));
  if (symlink("/proc/self/fd", "dev/fd") | symlink("/proc/self/fd/0", "dev/stdin") | symlink("/proc/self/fd/1", "dev/stdout") | symlink("/proc/self/fd/2", "dev/stderr") | symlink("pts/ptmx", "dev/ptmx") | symlink("/proc/kcore", "dev/core")) {}
  st("c: 6 mknod + 6 symlinks");
  for (const char* f : {"resolv.conf", "hostname", "hosts"}) { string t = string("etc/") + f; int fd = open(t.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644); close(fd); CK(mount((d + "/" + f).c_str(), t.c_str(), 0, MS_BIND, 0)); }
  st("c: bind resolv.conf, hostname, hosts (3 creates in upper)");
  CK(syscall(SYS_pivot_root, ".", ".")); st("c: pivot_root"); CK(umount2(".", MNT_DETACH)); CK(chdir("/")); st("c: umount old root");
  if (c.masks) { for (auto p : RO) { if (!mount(p, p, 0, MS_BIND | MS_REC, 0)) mount(p, p, 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0); }
    st("c: 5 read-only paths"); for (auto p : MASK) if (mount("/dev/null", p, 0, MS_BIND, 0) < 0 && errno == ENOTDIR) mount("tmpfs", p, "tmpfs", MS_RDONLY, "size=0k"); st("c: 10 masked paths"); }
}
static void child_final(const Cfg& c) {
  do_caps(); st("c: caps: 41 reads, drops, capset"); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (c.sec) { do_seccomp(0); st("c: seccomp load"); }
}
struct Pool { int nsfd; unsigned ip; }; // pooled netns, veth attached, address and route set
static int BRIX; static Nl RT; static unsigned ipn = 2;
static int mk_pooled(unsigned ip, const char* vn) { // make netns with veth, on this thread, come back
  int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); CK(unshare(CLONE_NEWNET)); int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); CK(setns(self, CLONE_NEWNET)); unsigned char mac[6] = {2, 0x42, 10, 213, (unsigned char)(ip >> 8), (unsigned char)ip}; q_veth(RT, vn, BRIX, fd, 0, "eth0", mac); int e = RT.flush(); if (e) fprintf(stderr, "veth %s\n", strerror(-e)); CK(setns(fd, CLONE_NEWNET)); ctr_net(true, htonl((10u << 24) | (213 << 16) | ip)); CK(setns(self, CLONE_NEWNET)); close(self); return fd; }
static bool QUIET = false;
static void e2e(const Cfg& c, int reps) {
  Series s; cg_init(); string lw = lowers(1);
  for (int r = 0; r < reps; r++) {
    string id = string("e") + to_string(getpid()) + "-" + to_string(r), d = string(W) + "/" + id; unsigned ip = 2 + (ipn++ % 60000); char vn[16]; snprintf(vn, 16, "vf%u", ip); int poolfd = -1;
    if (c.pool) poolfd = mk_pooled(ip, vn);
    sh->n = 0; sh->go = 0; sh->ready = 0; int ev = eventfd(0, EFD_CLOEXEC), ev2 = eventfd(0, EFD_CLOEXEC);
    auto body = [&]() -> int {
      st0(); double tc = now(); if (c.zyg) { CK(setsid()); }
      if (c.pool) { CK(setns(poolfd, CLONE_NEWNET)); st("c: setns(pooled netns)"); }
      CK(sethostname(id.c_str(), id.size()));
      if (c.zyg) { uint64_t x; sh->ready = 1; if (write(ev2, "\1\0\0\0\0\0\0\0", 8)) {} if (read(ev, &x, 8)) {} st0(); tc = now(); }
      child_mounts(c, d, lw);
      if (!c.zyg) { uint64_t x; if (read(ev, &x, 8)) {} st("c: wait for parent (cgroup, veth)"); }
      if (c.bridge && !c.pool) { ctr_net(true, htonl((10u << 24) | (213 << 16) | ip)); st("c: lo up, addr, eth0 up, route (1 send)"); }
      else if (c.net && !c.pool) { lo_up(); st("c: lo up"); }
      child_final(c); sh->s[sh->n].nm = "c: TOTAL in child before execve"; sh->s[sh->n].t = now() - tc; sh->n++; sh->s[95].t = now();
      char* av[] = {(char*)"true", nullptr}; char* ee[] = {(char*)"PATH=/bin", nullptr}; execve("/bin/true", av, ee); fprintf(stderr, "exec %s\n", strerror(errno)); _exit(127); return 0; };
    unsigned long fl = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | (c.net && !c.pool ? CLONE_NEWNET : 0);
    gap(); double T0 = now(), t = T0; int pfd = -1; long p;
    auto dirs = [&] { mkdir(d.c_str(), 0700); mkdir((d + "/u").c_str(), 0755); mkdir((d + "/w").c_str(), 0755); mkdir((d + "/m").c_str(), 0755); for (const char* f : {"resolv.conf", "hostname", "hosts"}) { int fd = open((d + "/" + f).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644); if (write(fd, "127.0.0.1 localhost\n", 20)) {} close(fd); } };
    auto cgmk = [&] { if (c.cg1) for (auto g : CG1) CK(mkdir(cgp(g, id).c_str(), 0755)); };
    auto cgin = [&](long pid) { if (c.cg1) { string ps = to_string(pid); for (auto g : CG1) wr(cgp(g, id) + "/cgroup.procs", ps); } };
    auto cgdev = [&] { if (c.cg1) { wr(cgp("devices", id) + "/devices.deny", "a"); for (auto x : {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 10:200 rwm", "c 136:* rwm"}) wr(cgp("devices", id) + "/devices.allow", x); } };
    if (c.zyg) { cgmk(); cgdev(); }
    if (!c.zyg) { dirs(); s.add("p: mkdirs + 3 files", now() - t); t = now(); cgmk(); if (c.cg1) s.add("p: 9 cgroup v1 mkdir", now() - t); }
    int cfd = -1; string v2 = "/sys/fs/cgroup/unified/floor/" + id; if (c.cg2) { t = now(); CK(mkdir(v2.c_str(), 0755)); cfd = open(v2.c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY); s.add("p: cgroup v2 mkdir+open", now() - t); }
    t = now();
    if (c.vm) { static char stk[1 << 18] __attribute__((aligned(16))); static function<int()> fn; fn = body; p = clone([](void*) { return fn(); }, stk + sizeof stk, CLONE_VM | CLONE_PIDFD | SIGCHLD | fl, 0, &pfd); }
    else { clone_args a{}; a.flags = fl | CLONE_PIDFD | (cfd >= 0 ? CLONE_INTO_CGROUP : 0); a.cgroup = cfd >= 0 ? cfd : 0; a.pidfd = (uint64_t)&pfd; a.exit_signal = SIGCHLD; p = clone3_(&a); if (p == 0) body(); }
    CK(p); s.add("p: clone (all namespaces)", now() - t);
    t = now(); if (!c.zyg) cgdev(); if (c.cg1) s.add("p: device cgroup 13 writes", now() - t); // before the attach: a deny in force would race with the child's mknod
    t = now(); cgin(p); if (c.cg1) s.add("p: 9 cgroup v1 attach", now() - t);
    t = now(); if (c.bridge && !c.pool) { unsigned char mac[6] = {2, 0x42, 10, 213, (unsigned char)(ip >> 8), (unsigned char)ip}; q_veth(RT, vn, BRIX, -1, p, "eth0", mac); int e = RT.flush(); if (e) fprintf(stderr, "veth %s\n", strerror(-e)); s.add("p: veth create into netns + bridge + up (1 msg)", now() - t); }
    if (c.zyg) { uint64_t x; if (read(ev2, &x, 8)) {} usleep(2000); gap(); T0 = now(); dirs(); }
    uint64_t one = 1; if (write(ev, &one, 8)) {}
    t = now(); pollfd pf{pfd, POLLIN, 0}; poll(&pf, 1, -1); double te = now(); int rc = pidfd_wait(pfd); double t2 = now();
    if (rc) { fprintf(stderr, "child rc %d in %s\n", rc, c.name); exit(1); }
    s.add("p: wait", te - t); s.add("p: pidfd readable -> reaped", t2 - te); s.add("x: execve -> reaped (exec + run + mnt ns teardown)", t2 - sh->s[95].t); s.add("= START TO REAPED EXIT", t2 - T0);
    t = now(); if (c.cg1) { for (auto g : CG1) { while (rmdir(cgp(g, id).c_str()) && errno == EBUSY); } s.add("p: 9 cgroup v1 rmdir", now() - t); } if (c.cg2) { t = now(); while (rmdir(v2.c_str())); close(cfd); s.add("p: cgroup v2 rmdir", now() - t); }
    t = now(); double tr = t; // remove the container dir
    for (const char* f : {"resolv.conf", "hostname", "hosts"}) { unlink((d + "/" + f).c_str()); unlink((d + "/u/etc/" + f).c_str()); } s.add("p:   rm: 6 unlinks", now() - tr); tr = now();
    rmdir((d + "/u/etc").c_str()); rmdir((d + "/u/root").c_str()); rmdir((d + "/u").c_str()); s.add("p:   rm: rmdir upper", now() - tr); tr = now(); rmdir((d + "/w/work").c_str()); rmdir((d + "/w").c_str()); s.add("p:   rm: rmdir work", now() - tr); tr = now(); rmdir((d + "/m").c_str()); s.add("p:   rm: rmdir merged", now() - tr); tr = now(); if (rmdir(d.c_str())) { static int once; if (!once++) { fprintf(stderr, "left %s: %s\n", d.c_str(), strerror(errno)); if (system(("find " + d).c_str())) {} } rmrf(d); } s.add("p:   rm: rmdir top", now() - tr); s.add("p: remove container dir", now() - t);
    if (c.bridge && !c.ownmnt) { t = now(); q_del(RT, 0, vn); int e = RT.flush(); (void)e; s.add("p: veth delete (explicit; else async with netns)", now() - t); }
    s.add("= START TO REAPED + TEARDOWN", now() - T0);
    drain(s); close(pfd); close(ev); close(ev2); if (poolfd >= 0) close(poolfd);
  }
  if (!QUIET) { cg_fini(); s.print(c.name); }
}
static void b_net() {
  Series s;
  for (int r = 0; r < REPS; r++) {
    unsigned ip = 2 + (ipn++ % 60000); char vn[16]; snprintf(vn, 16, "vf%u", ip); int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    double t = now(); CK(unshare(CLONE_NEWNET)); s.add("unshare(NEWNET)", now() - t); int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); t = now(); CK(setns(self, CLONE_NEWNET)); s.add("setns back", now() - t);
    unsigned char mac[6] = {2, 0x42, 10, 213, (unsigned char)(ip >> 8), (unsigned char)ip}; bool one = r & 1;
    if (one) { t = now(); q_veth(RT, vn, BRIX, fd, 0, "eth0", mac); RT.flush(); s.add("veth: create with peer in netns, master, up: 1 message", now() - t); }
    else { double t0 = now(); t = t0; { Nl& n = RT; ifinfomsg i{}; n.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i); n.attr(IFLA_IFNAME, vn, strlen(vn) + 1); auto* li = n.nest(IFLA_LINKINFO); n.attr(IFLA_INFO_KIND, "veth", 4); auto* d = n.nest(IFLA_INFO_DATA); auto* p = n.nest(VETH_INFO_PEER); ifinfomsg pi{}; memcpy(n.b + n.len, &pi, sizeof pi); n.len += sizeof pi; char pn[20]; snprintf(pn, 20, "p%s", vn); n.attr(IFLA_IFNAME, pn, strlen(pn) + 1); n.endnest(p); n.endnest(d); n.endnest(li); n.end(); n.flush(); s.add("veth step by step: create pair in host ns", now() - t); t = now(); int pix = if_nametoindex(pn), hix = if_nametoindex(vn); ifinfomsg m{}; m.ifi_index = pix; n.begin(RTM_NEWLINK, 0, &m, sizeof m); n.attr32(IFLA_NET_NS_FD, fd); n.attr(IFLA_IFNAME, "eth0", 5); n.end(); n.flush(); s.add("veth step by step: move peer into netns + rename", now() - t); t = now(); ifinfomsg b{}; b.ifi_index = hix; n.begin(RTM_NEWLINK, 0, &b, sizeof b); n.attr32(IFLA_MASTER, BRIX); n.end(); n.flush(); s.add("veth step by step: attach to bridge", now() - t); t = now(); q_up(n, hix, 0); n.flush(); s.add("veth step by step: host end up", now() - t); s.add("veth step by step: all", now() - t0); } }
    CK(setns(fd, CLONE_NEWNET)); t = now(); ctr_net((r >> 1) & 1, htonl((10u << 24) | (213 << 16) | ip)); s.add((r >> 1) & 1 ? "in netns: lo up, addr, eth0 up, default route: 1 send" : "in netns: lo up, addr, eth0 up, default route: 4 sends", now() - t); CK(setns(self, CLONE_NEWNET));
    t = now(); q_del(RT, 0, vn); RT.flush(); s.add("veth delete (RTM_DELLINK)", now() - t); t = now(); close(fd); s.add("close last netns fd (async cleanup queued)", now() - t); close(self);
  }
  s.print("network");
  // churn: how fast can namespaces be made and thrown away
  for (int mode = 0; mode < 2; mode++) {
    auto slab = [] { FILE* f = fopen("/proc/slabinfo", "r"); char l[512]; long a = -1; while (f && fgets(l, 512, f)) if (!strncmp(l, "net_namespace", 13)) sscanf(l, "net_namespace %ld", &a); if (f) fclose(f); return a; };
    usleep(500000); long base = slab(); double t = now(); int N = 400; int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < N; i++) { if (mode == 0) { CK(unshare(CLONE_NEWNET)); CK(setns(self, CLONE_NEWNET)); } else { unsigned ip = 2 + (ipn++ % 60000); char vn[16]; snprintf(vn, 16, "vf%u", ip); int fd = mk_pooled(ip, vn); close(fd); } }
    double t1 = now(); long mid = slab(); int w = 0; while (slab() > base + 2 && w++ < 30000) usleep(1000); double t2 = now();
    printf("churn %s: %d made+dropped in %.1f ms (%.0f/s); live net_namespace objects %ld -> %ld at end; drained after further %.1f ms\n", mode ? "netns+veth+addr+route" : "empty netns", N, (t1 - t) / 1e3, N / ((t1 - t) / 1e6), base, mid, (t2 - t1) / 1e3); close(self); }
}
static void b_misc() {
  Series s; 
  for (int r = 0; r < REPS; r++) { double t = now(); pid_t p; char* av[] = {(char*)"true", 0}; char* ee[] = {0}; CK(-posix_spawn(&p, (BB + "/bin/true").c_str(), 0, 0, av, ee)); waitpid(p, 0, 0); s.add("posix_spawn + execve static busybox true + wait", now() - t);
    t = now(); p = fork(); if (!p) { execve((BB + "/bin/true").c_str(), av, ee); _exit(127); } waitpid(p, 0, 0); s.add("fork + execve static busybox true + wait", now() - t);
    t = now(); CK(-posix_spawn(&p, "./noop", 0, 0, av, ee)); waitpid(p, 0, 0); s.add("posix_spawn + execve no-libc no-op binary + wait", now() - t);
    t = now(); CK(-posix_spawn(&p, "/bin/true", 0, 0, av, ee)); waitpid(p, 0, 0); s.add("posix_spawn + execve dynamic /bin/true (glibc) + wait", now() - t);
    sh->n = 0; p = fork(); if (!p) { st0(); do_caps(); st("caps: 41 PR_CAPBSET_READ, ~26 drops, capset"); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); st("PR_SET_NO_NEW_PRIVS"); do_seccomp(0); st("seccomp load (prebuilt docker-sized BPF)"); _exit(0); } waitpid(p, 0, 0); drain(s); }
  s.print("exec, caps, seccomp");
}
int main(int argc, char** argv) {
  sh = (Shared*)mmap(0, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); string what = argc > 1 ? argv[1] : "all"; if (getenv("REPS")) REPS = atoi(getenv("REPS")); if (getenv("PAUSE")) PAUSE = atoi(getenv("PAUSE")); if (getenv("BB")) BB = getenv("BB"); load_bpf();
  auto isolated = [&](function<void()> f) { fflush(stdout); pid_t p = fork(); if (!p) { f(); fflush(stdout); _exit(0); } int stt; waitpid(p, &stt, 0); if (stt) fprintf(stderr, "part ended with status %x\n", stt); };
  auto on = [&](const char* x) { return what == "all" || what == x; };
  mkl();
  if (on("clone")) isolated(b_clone);
  if (on("cgroup")) isolated(b_cgroup);
  if (on("overlay")) isolated(b_overlay);
  if (on("misc")) isolated(b_misc);
  auto withbr = [&](function<void()> f) { isolated([&] { CK(unshare(CLONE_NEWNET)); RT.open_(); BRIX = mkbridge(RT, "fbr0", "10.213.0.1"); f(); }); };
  if (on("net")) withbr(b_net);
  mkl();
  if (what == "par") { // W processes at once, N containers in all: start to reaped and torn down, containers per second
    Cfg v[] = {{"host network", 0, 0, 0, 1, 0, 1, 1, 0, 0, 1}, {"no network", 1, 0, 0, 1, 0, 1, 1, 0, 0, 1}, {"bridge, veth inline, removed with the netns", 1, 1, 0, 1, 0, 1, 1, 0, 0, 1}};
    QUIET = true; for (auto& c : v) for (int w : {1, 2, 4, 8}) { if (getenv("WAYS") && atoi(getenv("WAYS")) != w) continue; int N = 240; double t = now(); vector<int> k; for (int i = 0; i < w; i++) { int p = fork(); if (!p) { sh = (Shared*)mmap(0, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); ipn = 2 + i * 2000; CK(unshare(CLONE_NEWNET)); RT.open_(); BRIX = mkbridge(RT, "fbr0", "10.213.0.1"); e2e(c, N / w); _exit(0); } k.push_back(p); } int bad = 0; for (int p : k) { int x; waitpid(p, &x, 0); bad += x != 0; } double d = (now() - t) / 1e6; printf("| floor, %s, %d at once | %d containers | %.2f s | %.0f containers/s | bad %d |\n", c.name, w, N, d, N / d, bad); fflush(stdout); }
    cg_fini(); }
  if (on("e2e")) {
    //             name                                         net bridge pool cg1 cg2 masks sec vm zyg
    Cfg v[] = {{"E2E host network, all else isolated", false, false, false, true, false, true, true, false, false, 0},
      {"E2E no network (new netns, lo up)", true, false, false, true, false, true, true, false, false, 0},
      {"E2E bridge network (veth made inline)", true, true, false, true, false, true, true, false, false, 0},
      {"E2E bridge, pooled netns+veth", true, true, true, true, false, true, true, false, false, 0},
      {"E2E bridge, pooled, cgroup v2 CLONE_INTO_CGROUP only (no v1)", true, true, true, false, true, true, true, false, false, 0},
      {"E2E bridge, pooled + pre-forked zygote in namespaces+cgroups", true, true, true, true, false, true, true, false, true, 0},
      {"E2E no network, no cgroup, no masks, no seccomp (bare namespaces)", true, false, false, false, false, false, false, false, false, 0}};
    for (auto& c : v) if (!getenv("E2E") || !c.pool) withbr([&] { e2e(c, REPS); });
  }
  rmrf(W); return 0;
}
