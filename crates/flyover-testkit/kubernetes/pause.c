// Does nothing, but buries its dead: the first process of a pod, and of a node of the rig.

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

static void bury(int signal)
{
	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	const struct sigaction ended = { .sa_handler = end };
	const struct sigaction child = { .sa_handler = bury, .sa_flags = SA_NOCLDSTOP };

	// One that died before this handler stood is reported by nobody.
	if (sigaction(SIGINT, &ended, NULL) || sigaction(SIGTERM, &ended, NULL) ||
	    sigaction(SIGCHLD, &child, NULL))
		return 1;
	bury(SIGCHLD);
	for (;;)
		pause();
}
