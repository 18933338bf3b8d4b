// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {ITokenHook} from "../mocks/OddToken.sol";
import {OddTokenActions} from "./actors/OddTokenActions.sol";

/// @title What holds whatever the tokens do.
abstract contract OddTokenInvariants is OddTokenActions {
    /// @dev Units that the carry of the per-share spread and the delegator's fraction hold back.
    uint256 private constant REMAINDER = 2;

    function invariant_tokensHeldCoverAllThatIsOwed() public view {
        assertGe(token.balanceOf(address(distributor)), distributor.reserves(), "payment token");
        IStakeVault.Stake memory s = vault.stakeOf(operator);
        uint256 leaving =
            uint256(vault.withdrawalOf(operator, operator).amount) + vault.withdrawalOf(delegator, operator).amount;
        assertGe(stakeToken.balanceOf(address(vault)), uint256(s.own) + s.delegated + leaving, "stake token");
    }

    function invariant_reservesAreOpenEscrowAndWhatIsClaimable() public view {
        uint256 owed = open.length * PRICE + _claimableByAll();
        assertGe(distributor.reserves(), owed, "not less");
        assertLe(distributor.reserves(), owed + REMAINDER, "not more");
    }

    function invariant_tokensHeldByTheProgramAreAllThatItOwes() public view {
        assertEq(token.balanceOf(address(emissions)), emissions.reserves(), "emissions");
    }

    function invariant_whatIsRefusedStaysDueAndWhatIsPaidIsPaidOnce() public view {
        uint256 wentOut = cameIn - token.balanceOf(address(distributor));
        uint256 due = hostDue + tableDue + refundsDue;
        assertLe(wentOut + _claimableByAll(), due, "not more than was earned");
        assertGe(wentOut + _claimableByAll() + REMAINDER, due, "not less than was earned");
        assertLe(token.balanceOf(host) + distributor.claimableHost(modelId), hostDue, "host");
        assertLe(token.balanceOf(requester) + distributor.balanceOf(requester), refundsDue, "requester");
    }

    function _claimableByAll() private view returns (uint256 sum) {
        for (uint256 i; i < parties.length; ++i) {
            sum += _claimable(parties[i]);
        }
    }
}

/// @title Tokens whose transfers answer nothing are paid in and out like any other.
contract SilentTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        token.behave(seed % 4 != 0, false, 0, ITokenHook(address(0)));
        stakeToken.behave(seed % 3 != 0, false, 0, ITokenHook(address(0)));
    }
}

/// @title Tokens that answer false pay nobody, and nothing is forgotten for it.
contract FalseTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        token.behave(false, seed % 2 == 0, 0, ITokenHook(address(0)));
        stakeToken.behave(false, seed % 3 == 0, 0, ITokenHook(address(0)));
    }
}

/// @title Tokens that keep a part of every transfer are refused on their way in, and cost only their receiver on the way out.
contract FeeTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        token.behave(false, false, seed % 3 == 0 ? 0 : seed % 100_000, ITokenHook(address(0)));
        stakeToken.behave(false, false, seed % 2 == 0 ? 0 : 10_000 + seed % 100_000, ITokenHook(address(0)));
    }
}

/// @title Tokens that call back in the middle of everything gain nobody anything.
contract ReentrantTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        token.behave(false, false, 0, seed % 4 == 0 ? ITokenHook(address(0)) : this);
        stakeToken.behave(false, false, 0, seed % 3 == 0 ? ITokenHook(address(0)) : this);
    }
}

/// @title Tokens that call back before balances change gain nobody what is on its way out.
contract EarlyTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        token.behave(false, false, 0, seed % 4 == 0 ? ITokenHook(address(0)) : this);
        token.setEarly(seed % 5 != 0);
        stakeToken.behave(false, false, 0, seed % 3 == 0 ? ITokenHook(address(0)) : this);
        stakeToken.setEarly(seed % 7 != 0);
    }
}

/// @title Accounts that the token has blocked are not paid; all others are. With the distributor or
///        the program blocked, only its payouts stop.
contract BlockingTokenInvariants is OddTokenInvariants {
    function tokenChangesItsManners(uint256 seed) external override {
        uint256 place = mix(seed, 1) % (parties.length + 2);
        address account = place == parties.length
            ? address(distributor)
            : place > parties.length ? address(emissions) : parties[place];
        bool blocked = mix(seed, 2) % 2 == 0;
        token.setBlocked(account, blocked);
        stakeToken.setBlocked(account == address(distributor) ? address(vault) : account, blocked);
    }
}
