# A prompt that names the host, and one line of help at login.
if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ]; then
    PS1='[\u@\h \w]\$ '
    [ ! -e /usr/share/bash-completion/bash_completion ] || . /usr/share/bash-completion/bash_completion
    alias ll='ls -l'
fi
