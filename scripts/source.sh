#!/bin/bash
# Usage: scripts/source.sh tarball | image | pristine
# Gets from Debian what a base is made of, once:
#   tarball   prints the path of the base's source (the installed package, else a
#             download into build/)
#   image     Debian's own prebuilt kernel of the same version, in build/BASE/debimg
#   pristine  the source unpacked in build/BASE/pristine
# Environment: BASE
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
mkdir -p "$BUILD"

# download PACKAGE[=VERSION] PATTERN: the .deb, as build/debs/PATTERN.
download() {
	local dir=$ROOT/build/debs user=()
	mkdir -p "$dir"
	if ! compgen -G "$dir/$2" >/dev/null; then
		echo "   downloading ${1%%=*} from Debian (70 to 150 MB)" >&2
		((EUID != 0)) || user=(-o APT::Sandbox::User=root)
		mkdir -p "$dir/tmp"
		(cd "$dir/tmp" && apt-get -q "${user[@]+"${user[@]}"}" download "$1" >&2) ||
			die "apt-get could not download ${1%%=*}: check the network (and apt-get update), then run the same make again"
		find "$dir/tmp" -name "$2" -exec mv {} "$dir/" \;
	fi
	compgen -G "$dir/$2" | tail -n 1
}

# The version of the base: of the installed package, else the one apt would install.
version() {
	local v
	v=$(dpkg-query -W -f '${Version}' "$BASE_PACKAGE" 2>/dev/null) || v=
	[[ $v && -r /usr/src/$BASE_TARBALL ]] ||
		v=$(apt-cache policy "$BASE_PACKAGE" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }')
	echo "$v"
}

tarball() {
	local deb
	if [[ -r /usr/src/$BASE_TARBALL ]]; then
		echo "/usr/src/$BASE_TARBALL"
	elif [[ -r $BUILD/usr/src/$BASE_TARBALL ]]; then
		echo "$BUILD/usr/src/$BASE_TARBALL"
	else
		need_space 6 "the base source and a kernel build"
		deb=$(download "$BASE_PACKAGE" "${BASE_PACKAGE}_*.deb")
		rm -rf "$BUILD/usr.tmp"
		dpkg -x "$deb" "$BUILD/usr.tmp"
		[[ -r $BUILD/usr.tmp/usr/src/$BASE_TARBALL ]] || die "$deb holds no usr/src/$BASE_TARBALL: remove it and try again"
		mv "$BUILD/usr.tmp/usr" "$BUILD/usr"
		rm -rf "$BUILD/usr.tmp"
		echo "$BUILD/usr/src/$BASE_TARBALL"
	fi
}

# Newest image package that has the version of the source.
image_package() {
	local v
	v=$(version)
	[[ $v ]] || return 0
	apt-cache pkgnames linux-image- | grep -xE "$BASE_IMAGE_RE" | sort -rV |
		xargs -r apt-cache madison 2>/dev/null | awk -v v="$v" '$3 == v { print $1; exit }'
}

image() {
	local pkg deb rel
	[[ -d $BUILD/debimg/boot ]] && return
	need_space 1 "Debian's kernel image"
	pkg=$(image_package | head -n 1) || pkg=
	if [[ ! $pkg ]]; then
		note "Debian has no prebuilt kernel of the version of $BASE_PACKAGE; stock will be built"
		return
	fi
	deb=$(download "$pkg=$(version)" "${pkg}_*.deb") || {
		note "stock will be built"
		return
	}
	rm -rf "$BUILD/debimg.tmp"
	dpkg -x "$deb" "$BUILD/debimg.tmp"
	rel=${pkg#linux-image-}
	/sbin/depmod -b "$BUILD/debimg.tmp" "$rel"
	mv "$BUILD/debimg.tmp" "$BUILD/debimg"
	note "stock kernel: Debian's $rel ($(version))"
}

pristine() {
	local tar
	[[ -d $BUILD/pristine ]] && return
	tar=$(tarball)
	note "unpacking the base source (about 1 minute)"
	rm -rf "$BUILD/pristine.tmp"
	mkdir "$BUILD/pristine.tmp"
	busy unpacking tar -C "$BUILD/pristine.tmp" --strip-components=1 -xf "$tar"
	mv "$BUILD/pristine.tmp" "$BUILD/pristine"
}

case ${1:-} in
tarball) tarball ;;
image) lock; image ;;
pristine) lock; pristine ;;
*) usage 2 >&2 ;;
esac
