"""wip"""
def preset(name): raise NotImplementedError
