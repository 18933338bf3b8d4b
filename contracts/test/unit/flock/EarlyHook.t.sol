// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";
import {RewardDistributor} from "../../../src/RewardDistributor.sol";
import {UsageMeter} from "../../../src/UsageMeter.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

interface IReceiver {
    function beforeTokens() external;
}

/// @dev A token that calls the receiver before it moves the balance.
contract EarlyHookToken is ERC20 {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function name() public pure override returns (string memory) {
        return "Early";
    }

    function symbol() public pure override returns (string memory) {
        return "EARLY";
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (to.code.length != 0) IReceiver(to).beforeTokens();
        return super.transfer(to, amount);
    }
}

/// @title A receiver that opens a request while its tokens are on their way.
contract EarlyHookTest is FlockTest, IReceiver {
    UsageMeter internal m;
    bool internal armed;
    bool internal opened;
    bytes internal refusal;

    function beforeTokens() external {
        if (!armed) return;
        armed = false;
        try m.open(_opening(2), PROMPT) {
            opened = true;
        } catch (bytes memory reason) {
            refusal = reason;
        }
    }

    function test_claim_doesNotFundARequestWithTokensOnTheirWayOut() public {
        EarlyHookToken odd = new EarlyHookToken();
        RewardDistributor d =
            newDistributor(address(odd), address(stakeToken));
        m = UsageMeter(d.METER());
        hostOfItself();
        (, uint256 escrow) = m.quote(modelId, 1, 1);
        odd.mint(address(d), escrow);
        m.open(_opening(1), PROMPT);
        vm.warp(1_700_000_002);
        // A full refund: this contract has a balance of `escrow`.
        m.close(address(this), 1);
        armed = true;

        d.withdrawBalance(address(this), address(0));

        assertTrue(!opened, "nobody paid for the second request");
        assertEq(
            refusal,
            abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, 2 * escrow, escrow),
            "refused by name"
        );
        assertEq(odd.balanceOf(address(d)), 0, "all paid out");
        assertEq(d.reserves(), 0, "nothing owed");
    }

    function hostOfItself() private {
        modelId = models.register(_listing());
    }

    function _listing() private view returns (IModelRegistry.Listing memory l) {
        l = listing("early", terms());
        l.consumer = address(this);
    }

    function _opening(uint32 id) private view returns (IUsageMeter.Opening memory) {
        return IUsageMeter.Opening({
            modelId: modelId,
            requester: address(this),
            subscriptionId: id,
            intervals: 1,
            redundancy: 1,
            deadline: id == 1 ? 1_700_000_001 : 1_800_000_000
        });
    }
}
